//! Which key a request has.

use std::borrow::Cow;

use sha2::{Digest, Sha256};

use super::value::{fits, meant};
use crate::http::HeaderMap;
use crate::identity::{Claim, absorb};
use crate::pods::{Ordinal, StatefulSet};
use crate::session::{Scope, SessionId, SessionKey};

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
    /// Tasks: a request that makes one tells by its response where that lives, and those about it go there.
    Task {
        /// The header that names the task where clients leave out [`NAME`].
        id_header: String,
    },
}

/// The header that names what a request is about (MCP 2026-07-28, Transports, Standard Headers).
pub const NAME: &str = "mcp-name";

/// The header that says what it asks for.
const METHOD: &str = "mcp-method";

/// What a request is to be sent by.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Ruling {
    /// The pod that it names.
    pub pod: Option<Ordinal>,
    /// What it has to do with tasks.
    pub task: Option<Task>,
    /// Its key, if these tell nothing.
    pub keyed: Option<Keyed>,
}

/// What a request has to do with tasks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Task {
    /// It may make one.
    Maybe,
    /// It is about this one.
    Named(SessionKey),
    /// It is about one, but does not say which.
    Unnamed,
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
        matches!(self, Self::Key { is_remembered: true, .. } | Self::Task { .. })
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
        let (mut pod, mut task) = (None, None);
        for rule in rules {
            match rule {
                Rule::Key { claims, is_remembered } => {
                    if let Some(key) = key_of(claims, scope, headers, &property) {
                        let keyed = Some(Keyed { key, is_remembered: *is_remembered });
                        return Some(Self { pod, task, keyed });
                    }
                }
                Rule::PodIn(name) if pod.is_none() => {
                    pod = set.and_then(|set| pod_in(&only(headers, name)?, set));
                }
                Rule::PodIn(_) => {}
                Rule::Task { id_header } => task = Task::of(headers, id_header, scope).or(task),
            }
        }
        (pod.is_some() || task.is_some()).then_some(Self { pod, task, keyed: None })
    }
}

impl Task {
    fn of(headers: &impl HeaderMap, id_header: &str, scope: &Scope) -> Option<Self> {
        match headers.get(METHOD)? {
            b"tools/call" => Some(Self::Maybe),
            b"tasks/get" | b"tasks/update" | b"tasks/cancel" => {
                let named = |header: &str| {
                    let id = only(headers, header)?;
                    SessionId::parse(&id).ok().map(|id| Self::Named(task_key(scope, id)))
                };
                Some(named(NAME).or_else(|| named(id_header)).unwrap_or(Self::Unnamed))
            }
            _ => None,
        }
    }
}

/// The key of a task of this workload.
pub fn task_key(scope: &Scope, id: SessionId<'_>) -> SessionKey {
    let mut hash = Sha256::new_with_prefix(b"podpin task 1");
    hash.update(scope.own_key().bytes());
    SessionKey::first_bits_of(hash.chain_update(id.bytes()))
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
    Some(SessionKey::first_bits_of(hash))
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
        let wanted = Ruling { pod: None, task: None, keyed: Some(of_user) };
        assert_eq!(ruling(&rules, &[]), Some(wanted));
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

    #[test]
    fn a_task_is_named_by_one_header_or_the_other() {
        let rule = Rule::Task { id_header: "x-task".to_owned() };
        let scope = Scope::new("default/myserver");
        let named = |id: &str| {
            Some(Task::Named(task_key(&scope, SessionId::parse(id.as_bytes()).unwrap())))
        };
        let by_user = header("x-user", false);
        for (about, headers, wanted) in [
            ("a call", &[("mcp-method", &b"tools/call"[..])][..], Some(Task::Maybe)),
            ("a poll", &[("mcp-method", b"tasks/get"), ("mcp-name", b"t1")], named("t1")),
            ("an answer", &[("mcp-method", b"tasks/update"), ("mcp-name", b"t1")], named("t1")),
            (
                "an end, encoded",
                &[("mcp-method", b"tasks/cancel"), ("mcp-name", b"=?base64?dDE=?=")],
                named("t1"),
            ),
            ("by Envoy's filters", &[("mcp-method", b"tasks/get"), ("x-task", b"t1")], named("t1")),
            ("without a name", &[("mcp-method", b"tasks/get")], Some(Task::Unnamed)),
            (
                "a name that no task has",
                &[("mcp-method", b"tasks/get"), ("mcp-name", b"a b")],
                Some(Task::Unnamed),
            ),
            (
                "two names",
                &[("mcp-method", b"tasks/get"), ("mcp-name", b"a"), ("mcp-name", b"b")],
                Some(Task::Unnamed),
            ),
            ("a list", &[("mcp-method", b"tools/list"), ("mcp-name", b"t1")], None),
            ("no method", &[("mcp-name", b"t1")], None),
        ] {
            let found = ruling(std::slice::from_ref(&rule), headers);
            assert_eq!(found.and_then(|ruling| ruling.task), wanted, "{about}");
            // A key before it decides alone, one behind it where it cannot.
            let headers = [headers, &[("x-user", b"a")]].concat();
            let before = ruling(&[by_user.clone(), rule.clone()], &headers).unwrap();
            assert!(before.task.is_none() && before.keyed.is_some(), "{about}");
            let behind = ruling(&[rule.clone(), by_user.clone()], &headers).unwrap();
            assert!(behind.task == wanted && behind.keyed == before.keyed, "{about}");
        }
    }

    /// The derivation is a contract between every proxy that serves a workload.
    #[test]
    fn the_derivation_of_keys_never_changes() {
        let keyed = ruling(&[header("x-user", false)], &[("x-user", b"alice")]).unwrap().keyed;
        assert_eq!(format!("{:x}", keyed.unwrap().key), "0809fb3d091b9fd9cb76d06dda958ecd");
        let scope = Scope::new("default/myserver");
        let task = task_key(&scope, SessionId::parse(b"abc").unwrap());
        assert_eq!(format!("{task:x}"), "f9ff74590a2d8ffb92fb5b4d703fcfc0");
    }
}
