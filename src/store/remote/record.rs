//! What a shared store keeps of a session: one JSON object that a human can read.
//!
//! ```json
//! {"v":1,"host":"myserver-1.mcp-myserver-headless.default.svc.cluster.local",
//!  "address":"10.244.0.12:8080","bound_at":1750000000000,"used_at":1750000000000}
//! {"v":2,"endpoint":"10.244.0.12:8080","address":null,"bound_at":…,"used_at":…}
//! {"v":1,"ended":1750000000000}
//! ```
//!
//! The first is a pin on a pod, by the pod's DNS name; the second one on an endpoint; the third
//! says that a session has ended. `address` is where `initialize` was answered, null if unknown.
//! Times are milliseconds since the Unix epoch.
//!
//! `v` is the lowest version of this format whose readers understand the record, so proxies of two
//! releases may share a store. To a reader of version 1 before there was `ended`, the end of a
//! session is no pin. Keys that a reader does not know mean nothing to it.

use std::fmt;

use serde_json::{Value, json};

use crate::pods::StatefulSet;
use crate::session::{Pin, Place, Timestamp};

/// The newest version that is understood here.
const NEWEST: u64 = 2;

/// What is written down of a session.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Record {
    /// It lives there. Whether an endpoint belongs to the workload is for others to say.
    Pin(Pin),
    /// It ended then.
    Ended(Timestamp),
}

// === impl Record ===

impl Record {
    /// Writes it; hosts are pods of `set`.
    pub(super) fn encode(&self, set: &StatefulSet) -> String {
        let Pin { place, incarnation, bound_at, used_at } = match self {
            Self::Ended(at) => return format!(r#"{{"v":1,"ended":{}}}"#, at.0),
            Self::Pin(pin) => pin,
        };
        let (version, kind, place) = match place {
            Place::Pod(pod) => (1, "host", set.host(*pod)),
            Place::Endpoint(endpoint) => (2, "endpoint", endpoint.to_string()),
        };
        json!({
            "v": version,
            kind: place,
            "address": incarnation.map(|address| address.to_string()),
            "bound_at": bound_at.0,
            "used_at": used_at.0,
        })
        .to_string()
    }

    /// Reads one. What others may have written is not trusted: a host must be a pod of `set`.
    pub(super) fn decode(text: &str, set: &StatefulSet) -> Result<Self, Unread> {
        let value: Value = serde_json::from_str(text).map_err(|_| Unread::Broken)?;
        let text = |key| value.get(key).and_then(Value::as_str).ok_or(Unread::Broken);
        let number = |key| value.get(key).and_then(Value::as_u64).ok_or(Unread::Broken);
        let place = match number("v")? {
            1 if value.get("host").is_none() => {
                return Ok(Self::Ended(Timestamp(number("ended")?)));
            }
            1 => Place::Pod(set.pod_of(text("host")?).ok_or(Unread::Host)?),
            2 => Place::Endpoint(text("endpoint")?.parse().map_err(|_| Unread::Broken)?),
            version if version > NEWEST => return Err(Unread::Newer),
            _ => return Err(Unread::Broken),
        };
        let incarnation = match value.get("address") {
            None | Some(Value::Null) => None,
            Some(_) => Some(text("address")?.parse().map_err(|_| Unread::Broken)?),
        };
        let (bound_at, used_at) = (Timestamp(number("bound_at")?), Timestamp(number("used_at")?));
        Ok(Self::Pin(Pin { place, incarnation, bound_at, used_at }))
    }
}

/// Why a stored value is not used.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Unread {
    /// It is no such object.
    Broken,
    /// Its host is not a pod of the workload.
    Host,
    /// It is of a version that only newer releases know, so it may well be a live session.
    Newer,
}

impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Broken => "is not a pin",
            Self::Host => "names a host outside of the workload",
            Self::Newer => "is of a version that is not known here",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pods::{MAX_REPLICAS, Ordinal};
    use proptest::prelude::*;
    use std::net::{IpAddr, SocketAddr};

    fn workload() -> StatefulSet {
        StatefulSet {
            name: "myserver".into(),
            service: "headless".into(),
            namespace: "default".into(),
            cluster_domain: "cluster.local".into(),
            port: 8080,
            replicas: 3,
        }
    }

    fn pin(place: Place) -> Pin {
        let (bound_at, used_at) = (Timestamp(5), Timestamp(7));
        Pin { place, incarnation: "10.0.0.1:8080".parse().ok(), bound_at, used_at }
    }

    fn pod_record() -> Value {
        json!({
            "v": 1, "host": "myserver-1.headless.default.svc.cluster.local",
            "address": "10.0.0.1:8080", "bound_at": 5, "used_at": 7,
        })
    }

    /// What other releases have written must stay readable while they are being replaced, and they
    /// must read what is written here.
    #[test]
    fn records_are_of_the_lowest_version_that_can_hold_them() {
        let endpoint = "10.0.0.2:8080".parse().unwrap();
        let endpoint_record = json!({
            "v": 2, "endpoint": "10.0.0.2:8080",
            "address": "10.0.0.1:8080", "bound_at": 5, "used_at": 7,
        });
        for (record, wanted) in [
            (Record::Pin(pin(Place::Pod(Ordinal(1)))), pod_record()),
            (Record::Pin(pin(Place::Endpoint(endpoint))), endpoint_record),
            (Record::Ended(Timestamp(9)), json!({"v": 1, "ended": 9})),
        ] {
            let text = record.encode(&workload());
            assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), wanted);
            let mut extended = wanted.clone();
            extended["colour"] = json!("blue");
            for text in [wanted.to_string(), extended.to_string()] {
                assert_eq!(Record::decode(&text, &workload()), Ok(record), "{text}");
            }
        }
    }

    #[test]
    fn nothing_but_a_record_of_this_workload_is_trusted() {
        for (key, value, wanted) in [
            ("v", json!(3), Unread::Newer),
            ("v", json!(u64::MAX), Unread::Newer),
            ("v", json!(0), Unread::Broken),
            ("v", json!(2), Unread::Broken),
            ("v", json!("1"), Unread::Broken),
            ("v", Value::Null, Unread::Broken),
            ("host", json!("169.254.169.254"), Unread::Host),
            ("host", json!("other-1.headless.default.svc.cluster.local"), Unread::Host),
            ("host", json!(["myserver-1.headless.default.svc.cluster.local"]), Unread::Broken),
            ("address", json!("metadata.internal:80"), Unread::Broken),
            ("bound_at", json!(-1), Unread::Broken),
            ("used_at", Value::Null, Unread::Broken),
        ] {
            let mut record = pod_record();
            record[key] = value;
            assert_eq!(Record::decode(&record.to_string(), &workload()), Err(wanted), "{record}");
        }
        for text in ["", "{", "null", "[]", "\u{0}", "{\"v\":1}", "{\"v\":1,\"ended\":\"x\"}"] {
            assert_eq!(Record::decode(text, &workload()), Err(Unread::Broken), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(
            endpoint in prop::option::of((any::<IpAddr>(), any::<u16>())),
            ordinal in 0..MAX_REPLICAS,
            address in prop::option::of((any::<IpAddr>(), any::<u16>())),
            bound_at: u64,
            used_at: u64,
        ) {
            let endpoint = endpoint.map(|endpoint| Place::Endpoint(SocketAddr::from(endpoint)));
            let pin = Pin {
                place: endpoint.unwrap_or(Place::Pod(Ordinal(ordinal))),
                incarnation: address.map(SocketAddr::from),
                bound_at: Timestamp(bound_at),
                used_at: Timestamp(used_at),
            };
            for record in [Record::Pin(pin), Record::Ended(Timestamp(used_at))] {
                prop_assert_eq!(Record::decode(&record.encode(&workload()), &workload()), Ok(record));
            }
        }

        #[test]
        fn any_text_is_read_without_a_panic(text: String) {
            let _ = Record::decode(&text, &workload());
        }
    }
}
