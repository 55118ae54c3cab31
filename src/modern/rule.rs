//! Which key a request has.

use std::borrow::Cow;

use sha2::{Digest, Sha256};

use super::value::{fits, meant};
use crate::http::HeaderMap;
use crate::identity::{Claim, absorb};
use crate::pods::{Ordinal, StatefulSet};
use crate::session::{Scope, SessionKey};

/// Where a key comes from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Rule {
    /// Claims that count together: requests of which all are equal go to one pod.
    Key {
        /// Those.
        claims: Vec<Claim>,
        /// Whether the pod is kept, so that none that comes takes it away.
        is_remembered: bool,
    },
    /// A header whose value begins or ends with the name of the pod.
    PodIn(String),
}

/// What a request is to be sent by.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Ruling {
    /// The pod that it names.
    pub pod: Option<Ordinal>,
    /// Its key, if it names none or that cannot be.
    pub keyed: Option<Keyed>,
}

/// A key.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Keyed {
    /// A hash of it, of where it comes from, and of the scope.
    pub key: SessionKey,
    /// Whether its pod is kept.
    pub is_remembered: bool,
}

impl Rule {
    /// Whether the pods that it finds are kept.
    pub fn is_kept(&self) -> bool {
        matches!(self, Self::Key { is_remembered: true, .. })
    }
}

// === impl Ruling ===

impl Ruling {
    /// What the first of the rules says that finds a key. `None` if none does.
    pub fn by(
        rules: &[Rule],
        scope: &Scope,
        set: Option<&StatefulSet>,
        headers: &impl HeaderMap,
        property: impl Fn(&[String]) -> Option<Vec<u8>>,
    ) -> Option<Self> {
        let mut pod = None;
        for rule in rules {
            match rule {
                Rule::Key { claims, is_remembered } => {
                    if let Some(key) = key_of(claims, scope, headers, &property) {
                        let keyed = Some(Keyed { key, is_remembered: *is_remembered });
                        return Some(Self { pod, keyed });
                    }
                }
                Rule::PodIn(name) if pod.is_none() => {
                    pod = set.and_then(|set| pod_in(&only(headers, name)?, set));
                }
                Rule::PodIn(_) => {}
            }
        }
        pod.map(|_| Self { pod, keyed: None })
    }
}

fn key_of(
    claims: &[Claim],
    scope: &Scope,
    headers: &impl HeaderMap,
    property: impl Fn(&[String]) -> Option<Vec<u8>>,
) -> Option<SessionKey> {
    let mut hash = Sha256::new_with_prefix(b"podpin key 1");
    hash.update(scope.own_key().bytes());
    for claim in claims {
        let value = claim.value(headers, &property)?;
        let value = match claim {
            Claim::Header(_) => meant(&value)?,
            Claim::Property(_) => Some(value.as_slice()).filter(|value| fits(value))?.into(),
        };
        claim.names().chain([&*value]).for_each(|part| absorb(&mut hash, part));
    }
    hash.finalize().first_chunk().copied().map(SessionKey::from_bytes)
}

/// What the only header of this name means.
fn only<'a>(headers: &'a impl HeaderMap, name: &str) -> Option<Cow<'a, [u8]>> {
    let mut values = headers.fields().filter(|(other, _)| *other == name.as_bytes());
    let (_, value) = values.next()?;
    meant(value).filter(|_| values.next().is_none())
}

/// The pod whose name a value begins or ends with, cut off by anything but a letter or a digit. Only those that
/// take new sessions: clients write what they like, and each name costs the proxy a look-up.
fn pod_in(value: &[u8], set: &StatefulSet) -> Option<Ordinal> {
    let value = std::str::from_utf8(value).ok()?;
    let is_cut = |next: Option<char>| next.is_none_or(|next| !next.is_alphanumeric());
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let first = value.strip_prefix(set.name.as_str()).and_then(|rest| rest.strip_prefix('-'));
    let first = first.and_then(|rest| {
        let (digits, rest) = rest.split_at_checked(digits(rest))?;
        Some(digits).filter(|_| is_cut(rest.chars().next()))
    });
    let last = || {
        let (rest, digits) = value.rsplit_once('-')?;
        let before = rest.strip_suffix(set.name.as_str())?;
        Some(digits).filter(|_| is_cut(before.chars().next_back()))
    };
    let ordinal = |digits: &str| {
        let ordinal = digits.parse().ok().filter(|ordinal| set.ordinals().contains(ordinal))?;
        // Kubernetes writes no zeros before it, nor a sign.
        (ordinal.to_string() == digits).then_some(Ordinal(ordinal))
    };
    first.and_then(ordinal).or_else(|| last().and_then(ordinal))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set() -> StatefulSet {
        StatefulSet {
            name: "myserver".into(),
            service: "mcp-myserver-headless".into(),
            namespace: "default".into(),
            cluster_domain: "cluster.local".into(),
            port: 8080,
            replicas: 12,
            first_ordinal: 0,
        }
    }

    fn header(name: &str, is_remembered: bool) -> Rule {
        Rule::Key { claims: vec![Claim::Header(name.to_owned())], is_remembered }
    }

    fn ruling(rules: &[Rule], headers: &[(&str, &[u8])]) -> Option<Ruling> {
        let scope = Scope::new("default/myserver");
        Ruling::by(rules, &scope, Some(&set()), &headers.to_vec(), |path| {
            (path == ["jwt", "sub"]).then(|| b"alice".to_vec())
        })
    }

    #[test]
    fn a_pod_is_named_at_either_end_of_a_value() {
        for (value, wanted) in [
            ("myserver-2", Some(2)),
            ("myserver-2.5f0c", Some(2)),
            ("myserver-11/5f0c", Some(11)),
            ("myserver-2-5f0c", Some(2)),
            ("5f0c.myserver-3", Some(3)),
            ("5f0c-myserver-3", Some(3)),
            ("myserver-1.myserver-2", Some(1)),
            ("=?base64?bXlzZXJ2ZXItMg==?=", Some(2)),
            ("myserver-12", None),
            ("myserver-02", None),
            ("myserver-+2", None),
            ("myserver-2a", None),
            ("myserver-", None),
            ("notmyserver-2", None),
            ("a.myserver-2.b", None),
            ("other-2", None),
        ] {
            let named = ruling(&[Rule::PodIn("x-cart".into())], &[("x-cart", value.as_bytes())]);
            assert_eq!(named.and_then(|named| named.pod), wanted.map(Ordinal), "{value}");
        }
    }

    #[test]
    fn the_first_rule_decides_that_finds_a_key() {
        let property = Claim::Property(["jwt", "sub"].map(str::to_owned).to_vec());
        let user = Rule::Key { claims: vec![property], is_remembered: false };
        let rules = [Rule::PodIn("x-cart".into()), header("x-talk", true), user.clone()];
        let talk: (&str, &[u8]) = ("x-talk", b"t1");
        let cart: (&str, &[u8]) = ("x-cart", b"myserver-2.a");
        let all = ruling(&rules, &[cart, talk]).unwrap();
        assert_eq!(all.pod, Some(Ordinal(2)));
        assert_eq!(all.keyed, ruling(&rules[1..], &[talk]).unwrap().keyed);
        assert!(all.keyed.unwrap().is_remembered);
        let of_user = ruling(&[user], &[]).unwrap().keyed.unwrap();
        assert_eq!(ruling(&rules, &[]), Some(Ruling { pod: None, keyed: Some(of_user) }));
        assert!(!of_user.is_remembered);
        assert_eq!(ruling(&rules[..2], &[]), None);
    }

    #[test]
    fn keys_differ_by_where_they_come_from_and_by_what_they_mean() {
        let key = |name: &str, value: &[u8]| {
            ruling(&[header(name, false)], &[(name, value)]).and_then(|ruling| ruling.keyed)
        };
        assert_eq!(key("x-a", b"c1"), key("x-a", b"=?base64?YzE=?="));
        assert_ne!(key("x-a", b"c1"), key("x-b", b"c1"));
        assert_ne!(key("x-a", b"c1"), key("x-a", b"c2"));
        assert!(key("x-a", b"c1").is_some());
        for none in [&b""[..], b"\xff", b"=?base64?!?=", &[b'x'; 513]] {
            assert_eq!(key("x-a", none), None, "{none:?}");
        }
        let twice = [("x-a", &b"c1"[..]), ("x-a", b"c1")];
        assert_eq!(ruling(&[header("x-a", false)], &twice), None);
    }

    /// The derivation is a contract between every proxy that serves a workload.
    #[test]
    fn the_derivation_of_keys_never_changes() {
        let keyed = ruling(&[header("x-user", false)], &[("x-user", b"alice")]).unwrap().keyed;
        assert_eq!(format!("{:x}", keyed.unwrap().key), "0809fb3d091b9fd9cb76d06dda958ecd");
    }
}
