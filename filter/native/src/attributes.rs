//! What Envoy knows of a request, by the paths by which wasm modules ask for it (Envoy, "Attributes").

use podpin::config::Config;
use podpin::identity::Claim;

use crate::envoy::Hook;

/// `response.code_details`.
pub(crate) const CODE_DETAILS: u32 = 16;
/// `upstream.address`.
pub(crate) const UPSTREAM_ADDRESS: u32 = 41;

/// Attributes that are strings, and say who somebody is or where a request came from.
const NUMBERS: [(&str, &str, u32); 16] = [
    ("request", "path", 0),
    ("request", "url_path", 1),
    ("request", "host", 2),
    ("request", "scheme", 3),
    ("request", "method", 4),
    ("request", "referer", 6),
    ("request", "useragent", 7),
    ("request", "id", 9),
    ("request", "protocol", 10),
    ("source", "address", 24),
    ("destination", "address", 26),
    ("connection", "requested_server_name", 30),
    ("connection", "subject_peer_certificate", 33),
    ("connection", "dns_san_peer_certificate", 35),
    ("connection", "uri_san_peer_certificate", 37),
    ("connection", "sha256_peer_certificate_digest", 38),
];

/// Where a property is to be found.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Property<'a> {
    Attribute(u32),
    Metadata(&'a str, &'a str),
    FilterState(&'a str),
}

impl<'a> Property<'a> {
    fn at(path: &'a [String]) -> Option<Self> {
        match path {
            [one, key] if one == "filter_state" => Some(Self::FilterState(key)),
            [one, two, namespace, key] if one == "metadata" && two == "filter_metadata" => {
                Some(Self::Metadata(namespace, key))
            }
            [group, name] => NUMBERS
                .into_iter()
                .find(|(its_group, its_name, _)| group == its_group && name == its_name)
                .map(|(_, _, number)| Self::Attribute(number)),
            _ => None,
        }
    }
}

/// What is known by a path.
pub(crate) fn property<'h>(hook: &'h Hook<'_>, path: &[String]) -> Option<&'h [u8]> {
    match Property::at(path)? {
        Property::Attribute(number) => hook.attribute(number),
        Property::Metadata(namespace, key) => hook.metadata(namespace, key),
        Property::FilterState(key) => hook.filter_state(key),
    }
}

/// The properties of a configuration that a dynamic module cannot ask for.
pub(crate) fn unknown(config: &Config) -> Vec<String> {
    let claims = config.bind_to.entries.iter().flatten();
    let paths = claims.filter_map(|claim| match claim {
        Claim::Property(path) => Some(path),
        Claim::Header(_) => None,
    });
    paths.filter(|path| Property::at(path).is_none()).map(|path| path.join(".")).collect()
}
