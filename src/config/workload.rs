//! The section `workload`.

use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use serde_json::Value;

use super::section::Section;
use super::steer::Mode;
use crate::pods::{Addresses, MAX_FIRST_ORDINAL, MAX_REPLICAS, Ordinal, StatefulSet};

/// The longest label and the longest name that DNS can hold, in bytes (RFC 1035 section 2.3.4).
const MAX_LABEL: usize = 63;
const MAX_NAME: usize = 253;

/// What is said of the workload.
#[derive(Debug, Default)]
pub(super) struct Workload {
    /// `namespace/stateful_set`, if both are named.
    pub(super) scope: Option<String>,
    /// The StatefulSet, if the mode of steering needs it and all of it is right.
    pub(super) set: Option<StatefulSet>,
    /// The addresses, if the mode of steering takes any and they are right.
    pub(super) addresses: Option<Addresses>,
    /// Keys that the mode of steering makes nothing of.
    pub(super) without_effect: Vec<String>,
}

/// Reads what `mode` needs. If that is not known for a mistake, nothing is missed.
pub(super) fn read(mut section: Section<'_>, mode: Option<&Mode>) -> Workload {
    let is_by_name = mode.is_some_and(Mode::is_by_name);
    section.require(match mode {
        Some(mode) if mode.is_by_name() => {
            &["stateful_set", "service", "namespace", "replicas", "port"]
        }
        Some(Mode::OriginalDst) => &["addresses", "port"],
        // Ranges without a port would be no limit to a request.
        Some(Mode::Endpoint(_)) if section.has("addresses") => &["port"],
        _ => &[],
    });
    if !is_by_name && section.has("stateful_set") != section.has("namespace") {
        section.require(&["stateful_set", "namespace"]);
    }
    let unused: &[&str] = match mode {
        None => &[],
        Some(_) if is_by_name => &["addresses"],
        Some(_) if section.has("addresses") => &NAMES,
        Some(_) => &["service", "replicas", "cluster_domain", "first_ordinal", "port"],
    };
    let without_effect = unused.iter().filter(|key| section.has(key));
    let without_effect = without_effect.map(|key| format!("workload.{key}")).collect();

    let name = section.text("stateful_set", is_label);
    let service = section.text("service", is_label);
    let namespace = section.text("namespace", is_label);
    let cluster_domain = section.text("cluster_domain", is_name);
    let replicas = section.number("replicas", 1, MAX_REPLICAS);
    let first_ordinal = section.number("first_ordinal", 0, MAX_FIRST_ORDINAL);
    let port = section.number("port", 1, u32::from(u16::MAX)).map(|port| port as u16);
    let ranges = read_ranges(&mut section);
    let scope = match (&namespace, &name) {
        (Some(namespace), Some(name)) => Some(format!("{namespace}/{name}")),
        _ => None,
    };
    let set = match (name, service, namespace, replicas, port) {
        (Some(name), Some(service), Some(namespace), Some(replicas), Some(port)) if is_by_name => {
            Some(StatefulSet {
                name,
                service,
                namespace,
                cluster_domain: cluster_domain.unwrap_or_else(|| "cluster.local".to_owned()),
                port,
                replicas,
                first_ordinal: first_ordinal.unwrap_or(0),
            })
        }
        _ => None,
    };
    if let Some(set) = &set {
        check_names(set, &mut section);
    }
    section.finish();
    let addresses = ranges.zip(port).filter(|_| !is_by_name);
    let addresses = addresses.map(|(ranges, port)| Addresses { ranges, port });
    Workload { scope, set, addresses, without_effect }
}

/// What, beside the StatefulSet and its namespace, only pods with names have.
const NAMES: [&str; 4] = ["service", "replicas", "cluster_domain", "first_ordinal"];

fn read_ranges(section: &mut Section<'_>) -> Option<Vec<IpNet>> {
    if section.is_empty_list("addresses") {
        section.wrong("addresses", "is empty");
    }
    section.list("addresses", |item: &Value| {
        let range = item.as_str().and_then(|text| text.parse::<IpNet>().ok());
        let range = range.ok_or("is not a CIDR range such as 10.244.0.0/16 or fd00:10::/32");
        match range.map_err(str::to_owned)? {
            range if range.prefix_len() < 8 => Err("is wider than /8".to_owned()),
            range if NO_PODS.iter().any(|net| overlap(net, &range)) => {
                Err("has link-local or IPv4-mapped addresses, which no pod has".to_owned())
            }
            range if range.trunc() != range => {
                Err(format!("has bits beyond its prefix; {} is meant", range.trunc()))
            }
            range => Ok(range),
        }
    })
}

/// Link-local addresses, where clouds have their metadata servers (RFC 3927, RFC 4291), and IPv6 forms
/// of IPv4 addresses, which would hide those.
const NO_PODS: [IpNet; 3] = [
    IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(169, 254, 0, 0), 16)),
    IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 10)),
    IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0, 0), 96)),
];

fn overlap(one: &IpNet, other: &IpNet) -> bool {
    one.contains(other) || other.contains(one)
}

/// The longest name among the pods' must be one that DNS can hold.
fn check_names(workload: &StatefulSet, section: &mut Section<'_>) {
    let last = Ordinal(workload.ordinals().end.saturating_sub(1));
    let (pod, host) = (workload.pod(last), workload.host(last));
    if pod.len() > MAX_LABEL {
        let wrong = format!("pod name {pod:?} is longer than {MAX_LABEL} bytes");
        section.wrong("stateful_set", wrong);
    } else if host.len() > MAX_NAME {
        let wrong = format!("pod host {host:?} is longer than {MAX_NAME} bytes");
        section.wrong("cluster_domain", wrong);
    }
}

/// A label of DNS as Kubernetes wants it (Kubernetes, Object Names and IDs).
fn is_label(label: &str) -> Result<(), &'static str> {
    let right = (1..=MAX_LABEL).contains(&label.len())
        && label.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'))
        && !label.starts_with('-')
        && !label.ends_with('-');
    right.then_some(()).ok_or("is not a DNS label of a-z, 0-9 and -")
}

fn is_name(name: &str) -> Result<(), &'static str> {
    let right = name.len() <= MAX_NAME && name.split('.').all(|label| is_label(label).is_ok());
    right.then_some(()).ok_or("is not a DNS name of labels of a-z, 0-9 and -")
}
