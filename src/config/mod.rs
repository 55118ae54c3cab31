//! The plugin's configuration: JSON in, a [`Config`] out that can only be right.
//!
//! All mistakes are reported at once, each with its key and value. Nothing is ever ignored: a key
//! that is not known, or that occurs twice, is a mistake.

mod duration;
mod json;
mod section;
mod store;

use std::time::Duration;

use serde_json::Value;

use crate::http::Paths;
use crate::pods::{MAX_FIRST_ORDINAL, MAX_REPLICAS, Ordinal, Placement, StatefulSet};
use crate::session::{Lifetime, Scope};
use crate::steer::{Pods, Steering};
use crate::store::StoreConfig;

pub use section::Mistakes;
use section::{Section, whole};

/// The longest `scope`, in bytes.
const MAX_SCOPE: usize = 256;

/// The longest label and the longest name that DNS can hold, in bytes (RFC 1035 section 2.3.4).
const MAX_LABEL: usize = 63;
const MAX_NAME: usize = 253;

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);
const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);

/// How one workload is served.
#[derive(Clone, Debug)]
pub struct Config {
    /// Names the workload in every key.
    pub scope: Scope,
    /// How the proxy is told which pod to use.
    pub steering: Steering,
    /// Where pins are kept.
    pub store: StoreConfig,
    /// How long a session is kept.
    pub lifetime: Lifetime,
    /// Where MCP is served.
    pub paths: Paths,
    /// Keys that were given and are checked, but that nothing acts on yet.
    pub without_effect: Vec<&'static str>,
}

impl Config {
    /// Reads a configuration, or says all that is wrong with it.
    pub fn parse(bytes: &[u8]) -> Result<Self, Mistakes> {
        let mut mistakes = Mistakes::default();
        let config = match json::parse(bytes) {
            Ok(value) => read(value, &mut mistakes),
            Err(error) => {
                mistakes.add("configuration", error);
                None
            }
        };
        match config.filter(|_| mistakes.is_empty()) {
            Some(config) => Ok(config),
            None => Err(mistakes),
        }
    }
}

fn read(value: Value, mistakes: &mut Mistakes) -> Option<Config> {
    let mut root = Section::new("", value, mistakes);
    root.require(&["workload"]);
    let workload = read_workload(root.section("workload"));
    let steering = root
        .choice("steer", &[("authority", Mode::Authority), ("dynamic_host", Mode::DynamicHost)]);
    let store = store::read(root.section("store"));
    let lifetime = read_session(root.section("session"));
    let placement = read_placement(root.section("placement"), workload.as_ref());
    let scope = root.text("scope", is_scope);
    // Some servers redirect one to the other.
    let paths = read_paths(&mut root, "paths", &["/mcp", "/mcp/"]);
    let mut without_effect = ["sse_paths", "on_unreachable"].to_vec();
    without_effect.retain(|key| root.has(key));
    read_paths(&mut root, "sse_paths", &["/sse", "/message", "/messages"]);
    root.choice("on_unreachable", &[("not_found", ()), ("unavailable", ())]);
    root.finish();

    // A value that was wrong is a mistake already, so a default in its place does no harm.
    let pods = Pods { set: workload?, placement: placement? };
    Some(Config {
        scope: Scope::new(scope.unwrap_or_else(|| pods.set.to_string())),
        steering: match steering.unwrap_or(Mode::Authority) {
            Mode::Authority => Steering::Authority(pods),
            Mode::DynamicHost => Steering::DynamicHost(pods),
        },
        store,
        lifetime,
        paths,
        without_effect,
    })
}

/// A word for [`Steering`].
#[derive(Clone, Copy)]
enum Mode {
    Authority,
    DynamicHost,
}

fn read_workload(mut section: Section<'_>) -> Option<StatefulSet> {
    section.require(&["stateful_set", "service", "namespace", "replicas", "port"]);
    let name = section.text("stateful_set", is_label);
    let service = section.text("service", is_label);
    let namespace = section.text("namespace", is_label);
    let cluster_domain = section.text("cluster_domain", is_name);
    let replicas = section.number("replicas", 1, MAX_REPLICAS);
    let first_ordinal = section.number("first_ordinal", 0, MAX_FIRST_ORDINAL);
    let port = section.number("port", 1, u32::from(u16::MAX));
    let workload = match (name, service, namespace, replicas, port) {
        (Some(name), Some(service), Some(namespace), Some(replicas), Some(port)) => {
            Some(StatefulSet {
                name,
                service,
                namespace,
                cluster_domain: cluster_domain.unwrap_or_else(|| "cluster.local".to_owned()),
                port: port as u16,
                replicas,
                first_ordinal: first_ordinal.unwrap_or(0),
            })
        }
        _ => None,
    };
    if let Some(workload) = &workload {
        check_names(workload, &mut section);
    }
    section.finish();
    workload
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

fn read_session(mut section: Section<'_>) -> Lifetime {
    let has_max_age = section.has("max_age");
    let idle_timeout = section.duration("idle_timeout", SECOND, YEAR);
    let max_age = section.duration("max_age", SECOND, YEAR);
    let is_wrong = has_max_age && max_age.is_none();
    let max_age = max_age.unwrap_or(24 * HOUR);
    let idle_timeout = idle_timeout.unwrap_or(max_age.min(2 * HOUR));
    if idle_timeout > max_age && !is_wrong {
        let (idle, age) = (duration::shown(idle_timeout), duration::shown(max_age));
        section.wrong("idle_timeout", format!("{idle} is longer than session.max_age, {age}"));
    }
    section.finish();
    Lifetime { idle_timeout, max_age }
}

fn read_placement(mut section: Section<'_>, workload: Option<&StatefulSet>) -> Option<Placement> {
    section.choice("policy", &[("random", ())]);
    let is_ordinal = |item: &Value| match (whole(item), workload) {
        (Some(ordinal), Some(workload)) if !workload.ordinals().contains(&ordinal) => {
            Err(format!("is outside the {} replicas of {workload}", workload.replicas))
        }
        (Some(ordinal), _) => Ok(Ordinal(ordinal)),
        (None, _) => Err("is not an ordinal".to_owned()),
    };
    let drain = section.list("drain", is_ordinal).unwrap_or_default();
    let placement = workload.map(|workload| Placement::uniform(workload.ordinals(), &drain));
    if placement == Some(None) {
        section.wrong("drain", "leaves no pod to place a new session on");
    }
    section.finish();
    placement.flatten()
}

fn read_paths(root: &mut Section<'_>, key: &'static str, otherwise: &[&str]) -> Paths {
    let is_path = |item: &Value| match item.as_str() {
        Some(path) if is_path(path) => Ok(path.to_owned()),
        _ => Err("is not a path such as /mcp or /v1/*"),
    };
    let is_empty = root.is_empty_list(key);
    let paths = root.list(key, is_path);
    if is_empty && key == "paths" {
        root.wrong(key, "is empty");
    }
    paths.map_or_else(|| Paths::new(otherwise), Paths::new)
}

/// A path begins with a slash and has no query; a `*` may stand at its end.
fn is_path(path: &str) -> bool {
    let body = path.strip_suffix('*').unwrap_or(path);
    body.starts_with('/') && body.bytes().all(|b| b.is_ascii_graphic() && !b"?#*".contains(&b))
}

fn is_scope(scope: &str) -> Result<(), String> {
    section::is_visible(scope, MAX_SCOPE)
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

#[cfg(test)]
mod tests;
