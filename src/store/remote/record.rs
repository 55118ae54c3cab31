//! What a shared store keeps of a session: one JSON object that a human can read.
//!
//! ```json
//! {"v":1,"host":"myserver-1.mcp-myserver-headless.default.svc.cluster.local",
//!  "address":"10.244.0.12:8080","bound_at":1750000000000,"used_at":1750000000000}
//! {"v":2,"endpoint":"10.244.0.12:8080","address":null,"bound_at":…,"used_at":…}
//! {"v":3,"subject":"b1946ac92492d2347c6235b4d2611184","host":…,"address":…,"bound_at":…,"used_at":…}
//! {"v":1,"ended":1750000000000}
//! ```
//!
//! The first is a pin on a pod, by the pod's DNS name; the second one on an endpoint; the third one of
//! a session that is bound to who opened it, on either; the fourth says that a session has ended. `address` is where `initialize` was answered, null if unknown.
//! Times are milliseconds since the Unix epoch.
//!
//! `v` is the lowest version of this format whose readers understand the record, so proxies of two
//! releases may share a store. To a reader of version 1 before there was `ended`, the end of a
//! session is no pin. Keys that a reader does not know mean nothing to it.

use std::fmt;

use serde_json::{Value, json};

use super::signed::SIGNED;
use crate::pods::{Ordinal, Place, Places};
use crate::session::{Pin, Subject, Timestamp};

/// The newest version that is understood here.
const NEWEST: u64 = 3;

/// What is written down of a session.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Record {
    /// It lives there.
    Pin(Pin),
    /// It ended then.
    Ended(Timestamp),
}

// === impl Record ===

impl Record {
    /// Writes it. The place of a pin is one of `places`.
    pub(super) fn encode(&self, places: &Places) -> String {
        let Pin { place, incarnation, subject, bound_at, used_at } = match self {
            Self::Ended(at) => return format!(r#"{{"v":1,"ended":{}}}"#, at.0),
            Self::Pin(pin) => pin,
        };
        let (version, kind, place) = match place {
            Place::Pod(pod) => (1, "host", host(places, *pod)),
            Place::Endpoint(endpoint) => (2, "endpoint", endpoint.to_string()),
        };
        let mut record = json!({
            "v": version,
            kind: place,
            "address": incarnation.map(|address| address.to_string()),
            "bound_at": bound_at.0,
            "used_at": used_at.0,
        });
        if let (Some(subject), Some(fields)) = (subject, record.as_object_mut()) {
            // Who does not know of it must not serve the session.
            fields.insert("v".to_owned(), 3.into());
            fields.insert("subject".to_owned(), hex(subject).into());
        }
        record.to_string()
    }

    /// Reads one. What others may have written is not trusted: it must name one of `places`.
    pub(super) fn decode(text: &str, places: &Places) -> Result<Self, Unread> {
        let value: Value = serde_json::from_str(text).map_err(|_| Unread::Broken)?;
        let text = |key| value.get(key).and_then(Value::as_str).ok_or(Unread::Broken);
        let number = |key| value.get(key).and_then(Value::as_u64).ok_or(Unread::Broken);
        let place = match number("v")? {
            1 if value.get("host").is_none() => {
                return Ok(Self::Ended(Timestamp(number("ended")?)));
            }
            2 | 3 if value.get("endpoint").is_some() => {
                let endpoint = text("endpoint")?.parse().map_err(|_| Unread::Broken)?;
                let Places::Endpoints(_) = places else { return Err(Unread::OtherMode) };
                Place::Endpoint(endpoint)
            }
            1 | 3 => {
                let host = text("host")?;
                let Places::Pods(set) = places else { return Err(Unread::OtherMode) };
                Place::Pod(set.pod_of(host).ok_or(Unread::Outside)?)
            }
            SIGNED => return Err(Unread::Signed),
            version if version > NEWEST => return Err(Unread::Newer),
            _ => return Err(Unread::Broken),
        };
        if !places.include(place) {
            return Err(Unread::Outside);
        }
        let incarnation = match value.get("address") {
            None | Some(Value::Null) => None,
            Some(_) => Some(text("address")?.parse().map_err(|_| Unread::Broken)?),
        };
        let subject = match number("v")? {
            3 => Some(subject_of(text("subject")?).ok_or(Unread::Broken)?),
            _ => None,
        };
        // A time is the same wherever it is kept, or the session would pass for another.
        let time = |key| Ok(Timestamp(number(key)?).min(Timestamp::LATEST));
        let (bound_at, used_at) = (time("bound_at")?, time("used_at")?);
        Ok(Self::Pin(Pin { place, incarnation, subject, bound_at, used_at }))
    }
}

fn hex(subject: &Subject) -> String {
    format!("{:032x}", u128::from_be_bytes(*subject.bytes()))
}

fn subject_of(hex: &str) -> Option<Subject> {
    let is_hex = hex.len() == 32 && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
    let number = u128::from_str_radix(hex, 16).ok().filter(|_| is_hex)?;
    Some(Subject::from_bytes(number.to_be_bytes()))
}

/// How a pod is written. Without names for pods there is no pin on one.
fn host(places: &Places, pod: Ordinal) -> String {
    match places {
        Places::Pods(set) => set.host(pod),
        Places::Endpoints(_) => String::new(),
    }
}

/// Why a stored value is not used.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Unread {
    /// It is no such object.
    Broken,
    /// Its place is none of the workload.
    Outside,
    /// It is of a mode of steering that is not the one configured here.
    OtherMode,
    /// It was not signed by the workload's own keys.
    Unsigned,
    /// It is signed, and there are no keys here to check that with, so it may well be a live session.
    Signed,
    /// It is of a version that only newer releases know, so it may well be a live session.
    Newer,
}

impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Broken => "is not a pin",
            Self::Outside => "names a place outside of the workload",
            Self::OtherMode => "is of another mode of steering",
            Self::Unsigned => "is not signed with one of store.keys",
            Self::Signed => "is signed, but store.keys is not configured",
            Self::Newer => "is of a version that is not known here",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pods::{Addresses, MAX_REPLICAS, StatefulSet};
    use proptest::prelude::*;
    use std::net::{IpAddr, SocketAddr};

    fn workload() -> Places {
        Places::Pods(StatefulSet {
            name: "myserver".into(),
            service: "headless".into(),
            namespace: "default".into(),
            cluster_domain: "cluster.local".into(),
            port: 8080,
            replicas: 3,
            first_ordinal: 0,
        })
    }

    fn anywhere() -> Places {
        Places::Endpoints(None)
    }

    /// The places that a record of this pin is read for.
    fn places_of(place: Place) -> Places {
        if matches!(place, Place::Pod(_)) { workload() } else { anywhere() }
    }

    fn pin(place: Place) -> Pin {
        let (bound_at, used_at) = (Timestamp(5), Timestamp(7));
        Pin { place, incarnation: "10.0.0.1:8080".parse().ok(), subject: None, bound_at, used_at }
    }

    fn pod_record() -> Value {
        json!({
            "v": 1, "host": "myserver-1.headless.default.svc.cluster.local",
            "address": "10.0.0.1:8080", "bound_at": 5, "used_at": 7,
        })
    }

    #[test]
    fn the_record_that_the_documentation_shows_is_one_as_it_is_written() {
        let page = include_str!("../../../docs/stores.md");
        let shown = page.lines().map(str::trim).find(|line| line.starts_with(r#"{"address""#));
        let Places::Pods(mut pods) = workload() else { panic!("pods") };
        pods.service = "mcp-myserver-headless".into();
        let places = Places::Pods(pods);
        let record = Record::decode(shown.unwrap(), &places).unwrap();
        assert_eq!(record.encode(&places), shown.unwrap());
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
        for (record, places, wanted) in [
            (Record::Pin(pin(Place::Pod(Ordinal(1)))), workload(), pod_record()),
            (Record::Pin(pin(Place::Endpoint(endpoint))), anywhere(), endpoint_record),
            (Record::Ended(Timestamp(9)), workload(), json!({"v": 1, "ended": 9})),
            (Record::Ended(Timestamp(9)), anywhere(), json!({"v": 1, "ended": 9})),
        ] {
            let text = record.encode(&places);
            assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), wanted);
            let mut extended = wanted.clone();
            extended["colour"] = json!("blue");
            for text in [wanted.to_string(), extended.to_string()] {
                assert_eq!(Record::decode(&text, &places), Ok(record), "{text}");
            }
        }
    }

    #[test]
    fn nothing_but_a_record_of_this_workload_is_trusted() {
        for (key, value, wanted) in [
            ("v", json!(5), Unread::Newer),
            ("v", json!(u64::MAX), Unread::Newer),
            ("v", json!(0), Unread::Broken),
            ("v", json!(2), Unread::Broken),
            ("v", json!("1"), Unread::Broken),
            ("v", Value::Null, Unread::Broken),
            ("host", json!("169.254.169.254"), Unread::Outside),
            ("host", json!("other-1.headless.default.svc.cluster.local"), Unread::Outside),
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

    /// The limits are the configuration's, whatever a Redis says.
    #[test]
    fn an_endpoint_outside_of_the_workload_is_not_trusted() {
        let within = Places::Endpoints(Some(Addresses {
            ranges: vec!["10.0.0.0/16".parse().unwrap()],
            port: 8080,
        }));
        for (endpoint, wanted) in [
            (json!("10.0.9.9:8080"), None),
            (json!("10.0.9.9:22"), Some(Unread::Outside)),
            (json!("169.254.169.254:8080"), Some(Unread::Outside)),
            (json!("[::ffff:10.0.9.9]:8080"), Some(Unread::Outside)),
            (json!("10.0.9.9"), Some(Unread::Broken)),
            (json!("metadata.internal:8080"), Some(Unread::Broken)),
            (json!("10.0.9.9:8080,169.254.169.254:80"), Some(Unread::Broken)),
            (json!(["10.0.9.9:8080"]), Some(Unread::Broken)),
        ] {
            let record = json!({"v": 2, "endpoint": endpoint, "bound_at": 5, "used_at": 7});
            let read = Record::decode(&record.to_string(), &within);
            assert_eq!(read.err(), wanted, "{record}");
        }
        let endpoint = json!({"v": 2, "endpoint": "10.0.9.9:8080", "bound_at": 5, "used_at": 7});
        for (record, places) in [(pod_record(), within), (endpoint, workload())] {
            assert_eq!(Record::decode(&record.to_string(), &places), Err(Unread::OtherMode));
        }
    }

    #[test]
    fn a_time_that_is_not_kept_elsewhere_is_the_latest_that_is() {
        let far = u64::MAX / 2;
        let pin = Pin {
            place: Place::Pod(Ordinal(1)),
            incarnation: None,
            subject: None,
            bound_at: Timestamp(far),
            used_at: Timestamp(far),
        };
        let read = Record::decode(&Record::Pin(pin).encode(&workload()), &workload());
        let latest = Timestamp::LATEST;
        assert_eq!(read, Ok(Record::Pin(Pin { bound_at: latest, used_at: latest, ..pin })));
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(
            endpoint in prop::option::of((any::<IpAddr>(), any::<u16>())),
            ordinal in 0..MAX_REPLICAS,
            address in prop::option::of((any::<IpAddr>(), any::<u16>())),
            [bound_at, used_at] in prop::array::uniform2(0..=Timestamp::LATEST.0),
            subject in prop::option::of(any::<[u8; 16]>()),
        ) {
            let endpoint = endpoint.map(|endpoint| Place::Endpoint(SocketAddr::from(endpoint)));
            let pin = Pin {
                place: endpoint.unwrap_or(Place::Pod(Ordinal(ordinal))),
                incarnation: address.map(SocketAddr::from),
                subject: subject.map(Subject::from_bytes),
                bound_at: Timestamp(bound_at),
                used_at: Timestamp(used_at),
            };
            for record in [Record::Pin(pin), Record::Ended(Timestamp(used_at))] {
                let places = places_of(pin.place);
                prop_assert_eq!(Record::decode(&record.encode(&places), &places), Ok(record));
            }
        }

        #[test]
        fn any_text_is_read_without_a_panic(text: String) {
            let _ = Record::decode(&text, &workload());
            let _ = Record::decode(&text, &anywhere());
        }
    }
}
