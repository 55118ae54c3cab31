//! What Envoy knows of a request, by the paths by which wasm modules ask for it (Envoy, "Attributes").

use podpin::config::Config;
use podpin::identity::Claim;

use crate::envoy::Hook;

/// `response.code_details`.
pub(crate) const CODE_DETAILS: u32 = 16;
/// `upstream.address`.
pub(crate) const UPSTREAM_ADDRESS: u32 = 41;

/// Attributes that are strings and say who somebody is, of the group `connection`. Others are not the same in
/// all of a session, and so are refused as properties anyway.
const OF_CONNECTION: [(&str, u32); 5] = [
    ("requested_server_name", 30),
    ("subject_peer_certificate", 33),
    ("dns_san_peer_certificate", 35),
    ("uri_san_peer_certificate", 37),
    ("sha256_peer_certificate_digest", 38),
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
            [group, name] if group == "connection" => OF_CONNECTION
                .into_iter()
                .find(|(its, _)| name == its)
                .map(|(_, number)| Self::Attribute(number)),
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
