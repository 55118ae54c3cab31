//! A pin as a shared store keeps it: one JSON object that a human can read.
//!
//! ```json
//! {"v":1,"host":"myserver-1.mcp-myserver-headless.default.svc.cluster.local",
//!  "address":"10.244.0.12:8080","bound_at":1750000000000,"used_at":1750000000000}
//! ```
//!
//! `v` is the version of this format. `host` is the DNS name of the pod, `address` where it
//! answered `initialize`, null if unknown. Times are milliseconds since the Unix epoch.

use std::fmt;

use serde_json::{Value, json};

use crate::pods::StatefulSet;
use crate::session::{Pin, Place, Timestamp};

const VERSION: u64 = 1;

/// Writes a pin.
pub(super) fn encode(pin: &Pin, set: &StatefulSet) -> String {
    let host = match pin.place {
        Place::Pod(pod) => set.host(pod),
        Place::Endpoint(address) => address.to_string(),
    };
    json!({
        "v": VERSION,
        "host": host,
        "address": pin.incarnation.map(|address| address.to_string()),
        "bound_at": pin.bound_at.0,
        "used_at": pin.used_at.0,
    })
    .to_string()
}

/// Reads a pin. What others may have written is not trusted: a host must be a pod of `set`.
pub(super) fn decode(text: &str, set: &StatefulSet) -> Result<Pin, Untrusted> {
    let value: Value = serde_json::from_str(text).map_err(|_| Untrusted::Broken)?;
    if value.get("v").and_then(Value::as_u64).ok_or(Untrusted::Broken)? != VERSION {
        return Err(Untrusted::Version);
    }
    let host = value.get("host").and_then(Value::as_str).ok_or(Untrusted::Broken)?;
    let time = |key| value.get(key).and_then(Value::as_u64).ok_or(Untrusted::Broken);
    let incarnation = match value.get("address") {
        None | Some(Value::Null) => None,
        Some(address) => {
            let address = address.as_str().and_then(|address| address.parse().ok());
            Some(address.ok_or(Untrusted::Broken)?)
        }
    };
    Ok(Pin {
        place: Place::Pod(set.pod_of(host).ok_or(Untrusted::Host)?),
        incarnation,
        bound_at: Timestamp(time("bound_at")?),
        used_at: Timestamp(time("used_at")?),
    })
}

/// Why a stored value is not used.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Untrusted {
    /// It is not such an object.
    Broken,
    /// It is of a version that is not known here.
    Version,
    /// Its host is not a pod of the workload.
    Host,
}

impl fmt::Display for Untrusted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Broken => "is not a pin",
            Self::Version => "is of a version that is not known here",
            Self::Host => "names a host outside of the workload",
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
            first_ordinal: 0,
        }
    }

    fn record() -> Value {
        json!({
            "v": 1, "host": "myserver-1.headless.default.svc.cluster.local",
            "address": "10.0.0.1:8080", "bound_at": 5, "used_at": 7,
        })
    }

    /// What older Envoys have written must stay readable while they are being replaced.
    #[test]
    fn the_format_of_version_1_stays_as_it_is() {
        let pin = Pin {
            place: Place::Pod(Ordinal(1)),
            incarnation: Some("10.0.0.1:8080".parse().unwrap()),
            bound_at: Timestamp(5),
            used_at: Timestamp(7),
        };
        assert_eq!(decode(&record().to_string(), &workload()), Ok(pin));
        assert_eq!(serde_json::from_str::<Value>(&encode(&pin, &workload())).unwrap(), record());
    }

    #[test]
    fn nothing_but_a_pin_of_this_workload_is_trusted() {
        for (key, value, wanted) in [
            ("v", json!(2), Untrusted::Version),
            ("v", json!("1"), Untrusted::Broken),
            ("v", Value::Null, Untrusted::Broken),
            ("host", json!("169.254.169.254"), Untrusted::Host),
            ("host", json!("other-1.headless.default.svc.cluster.local"), Untrusted::Host),
            ("host", json!(["myserver-1.headless.default.svc.cluster.local"]), Untrusted::Broken),
            ("address", json!("metadata.internal:80"), Untrusted::Broken),
            ("bound_at", json!(-1), Untrusted::Broken),
            ("used_at", Value::Null, Untrusted::Broken),
        ] {
            let mut record = record();
            record[key] = value;
            assert_eq!(decode(&record.to_string(), &workload()), Err(wanted), "{record}");
        }
        for text in ["", "{", "null", "[]", "\u{0}", "{\"v\":1}"] {
            assert_eq!(decode(text, &workload()), Err(Untrusted::Broken), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(
            ordinal in 0..MAX_REPLICAS,
            address in prop::option::of((any::<IpAddr>(), any::<u16>())),
            bound_at: u64,
            used_at: u64,
        ) {
            let pin = Pin {
                place: Place::Pod(Ordinal(ordinal)),
                incarnation: address.map(SocketAddr::from),
                bound_at: Timestamp(bound_at),
                used_at: Timestamp(used_at),
            };
            prop_assert_eq!(decode(&encode(&pin, &workload()), &workload()), Ok(pin));
        }

        #[test]
        fn any_text_is_read_without_a_panic(text: String) {
            let _ = decode(&text, &workload());
        }
    }
}
