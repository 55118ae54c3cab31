//! The workload that is attacked, in every way to steer and to keep pins; and what may be sent where.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use podpin::config::Config;
use podpin::host::{CallResponse, Callout, Secret};
use serde_json::{Value, json};
use simulated::mini_redis::{Front, MiniRedis};
use simulated::{
    ADDRESSED, DOMAIN, Engine, PODS, STATEFUL_SET, Sim, Step, StreamRecord, no_variable, note,
};

/// A key for what is sealed or signed.
pub const KEY: &str = "1f8b0a44c0e94d6e93d2a8b7516c3fe207bb5a19de7184f69c0d52e8ab36417f";

/// What the key is called.
pub const KEY_ID: &str = "test";

/// An address that is none of the workload's.
pub const FOREIGN: &str = "10.9.8.7:80";

/// The host that clients know.
pub const AUTHORITY: &str = "mcp.example";

/// The header that says who a client is.
pub const SUBJECT: &str = "x-user";

/// The address of a pod.
pub fn address(pod: usize) -> String {
    format!("127.0.1.{}:8080", pod + 1)
}

/// A way to steer.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Mode {
    Authority,
    DynamicHost,
    Endpoint,
    OverrideHost,
    OriginalDst,
}

impl Mode {
    pub const ALL: [Self; 5] =
        [Self::Authority, Self::DynamicHost, Self::Endpoint, Self::OverrideHost, Self::OriginalDst];

    /// Whether it steers to pods by their names.
    pub fn is_by_name(self) -> bool {
        matches!(self, Self::Authority | Self::DynamicHost)
    }

    /// Its configuration.
    pub fn plugin(self) -> Value {
        let (workload, steer) = match self {
            Self::Authority => (by_name(), json!("authority")),
            Self::DynamicHost => (by_name(), json!("dynamic_host")),
            Self::Endpoint => (by_address(), json!("endpoint")),
            Self::OverrideHost => (by_address(), json!({"endpoint": {"encoding": "plain"}})),
            Self::OriginalDst => (by_address(), json!("original_dst")),
        };
        json!({
            "scope": simulated::SCOPE,
            "workload": workload,
            "steer": steer,
            "probe": {"cluster": ADDRESSED},
            "session": {"idle_timeout": "60s", "max_age": "1h"},
        })
    }

    /// The header by which a proxy is told where a request goes.
    fn header(self) -> &'static str {
        match self {
            Self::Authority => ":authority",
            Self::DynamicHost => "x-podpin-host",
            Self::Endpoint | Self::OverrideHost => "x-podpin-endpoint",
            Self::OriginalDst => "x-envoy-original-dst-host",
        }
    }

    /// Whether this value of that header leads to the workload; where to, as a log calls it.
    fn place(self, value: &str) -> Option<String> {
        match self {
            Self::Authority | Self::DynamicHost => pod_named(value.strip_suffix(":8080")?),
            Self::Endpoint => {
                let address = STANDARD.decode(value).ok()?;
                within(std::str::from_utf8(&address).ok()?)
            }
            Self::OverrideHost | Self::OriginalDst => within(value),
        }
    }
}

fn by_name() -> Value {
    json!({
        "stateful_set": STATEFUL_SET,
        "service": "mcp-myserver-headless",
        "namespace": "default",
        "replicas": 3,
        "port": 8080,
    })
}

fn by_address() -> Value {
    json!({"addresses": ["127.0.0.0/8"], "port": 8080})
}

/// The section `store` for one in a Redis, with a small table: each tick looks through a part of it.
pub fn redis(front: Front) -> Value {
    let mut store = MiniRedis::new(front).store();
    store["capacity"] = json!(8);
    store
}

/// The list of keys for what is sealed or signed.
pub fn keys() -> Value {
    json!([{"id": KEY_ID, "key": KEY}])
}

/// Reads a configuration that is right.
pub fn parsed(plugin: &Value) -> Config {
    Config::parse(plugin.to_string().as_bytes(), &no_variable).expect("a right configuration")
}

/// The name of a pod, by its host.
fn pod_named(host: &str) -> Option<String> {
    let pod = host.strip_suffix(DOMAIN)?.strip_suffix('.')?;
    let ordinal = pod.strip_prefix(STATEFUL_SET)?.strip_prefix('-')?;
    let is_number = ordinal.bytes().all(|byte| byte.is_ascii_digit()) && !ordinal.is_empty();
    is_number.then(|| pod.to_owned())
}

fn within(address: &str) -> Option<String> {
    let parsed: SocketAddr = address.parse().ok()?;
    let SocketAddr::V4(v4) = parsed else { return None };
    (v4.ip().octets()[0] == 127).then(|| parsed.to_string())
}

/// Checks a request that goes on: nothing but the filter says where, and if that does, to the workload.
/// Where to, if it is known.
pub fn check_sent(mode: Mode, record: &StreamRecord) -> Option<String> {
    let noted = record.filter_state.get(&note("pod")).cloned();
    let mut led = None;
    for (name, value) in &record.request {
        let is_steering = name.starts_with("x-podpin-")
            || name == "x-envoy-original-dst-host"
            || name == ":authority" && mode == Mode::Authority && noted.is_some();
        if !is_steering {
            continue;
        }
        assert_eq!(name, mode.header(), "a client's header goes on");
        let value = String::from_utf8_lossy(value);
        let place = mode.place(&value);
        assert!(place.is_some(), "forwarded to {value}, outside of the workload");
        assert!(led.is_none(), "two headers lead somewhere");
        led = place;
    }
    if mode == Mode::DynamicHost {
        let state = |name: &str| record.filter_state.get(name).cloned();
        let host = state("envoy.upstream.dynamic_host");
        assert_eq!(host.as_deref().and_then(pod_named), led, "two hosts for a request");
        let has_port = state("envoy.upstream.dynamic_port").is_some();
        assert_eq!(has_port, led.is_some(), "a host without a port");
    }
    assert_eq!(noted, led, "where it goes is not what the log says");
    led
}

/// The last decision about an exchange.
pub fn decision(record: &StreamRecord) -> String {
    record.filter_state.get(&note("decision")).cloned().unwrap_or_default()
}

/// Checks a callout: to the store, to a pod by its name, or to an address that answered before.
pub fn check_callout(mode: Mode, callout: &Callout, connected: &BTreeSet<String>) {
    if !is_to_pod(callout) {
        assert!(["webdis", "upstash"].contains(&callout.cluster.as_str()), "to no store");
        return;
    }
    let header = |name: &str| {
        let found = callout.headers.iter().find(|(other, _)| other == name);
        found.map(|(_, Secret(value))| value.as_str())
    };
    let (original, endpoint) = (header("x-envoy-original-dst-host"), header("x-podpin-endpoint"));
    if let Some(address) = original {
        assert!(connected.contains(address), "a callout to {address}, which nobody answered from");
        let may_be = mode != Mode::OriginalDst || within(address).is_some();
        assert!(may_be, "a callout to {address}, outside of the workload");
    }
    if let Some(address) = endpoint {
        assert!(mode == Mode::OverrideHost && within(address).is_some(), "a callout to {address}");
    }
    assert!(header("x-podpin-host").is_none(), "a client's header goes on");
    if original.is_none() && endpoint.is_none() {
        assert!(mode.is_by_name() && mode.place(&callout.authority).is_some(), "to anywhere");
    }
}

/// Whether a callout is to a pod.
pub fn is_to_pod(callout: &Callout) -> bool {
    [PODS, ADDRESSED].contains(&callout.cluster.as_str())
}

/// Headers of a request or response.
pub fn pairs(pairs: &[(&str, &[u8])]) -> simulated::Pairs {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), value.to_vec())).collect()
}

/// A request of a session, and what came of it once all callouts were answered.
pub fn ask(
    sim: &mut Sim,
    method: &str,
    id: &[u8],
    mut answer: impl FnMut(&Callout) -> CallResponse,
) -> (u32, Step) {
    let headers = pairs(&[
        (":method", method.as_bytes()),
        (":path", b"/mcp"),
        (":authority", AUTHORITY.as_bytes()),
        ("mcp-session-id", id),
    ]);
    let (stream, step) = sim.request(headers);
    (stream, answered(sim, stream, step, &mut answer))
}

/// An `initialize` that the pod at this address has answered, likewise.
pub fn open(
    sim: &mut Sim,
    id: &[u8],
    address: &str,
    mut answer: impl FnMut(&Callout) -> CallResponse,
) -> (u32, Step) {
    let headers =
        pairs(&[(":method", b"POST"), (":path", b"/mcp"), (":authority", AUTHORITY.as_bytes())]);
    let (stream, step) = sim.request(headers);
    assert_eq!(step, Step::Go, "one that may open a session is never answered here");
    sim.request_body(stream, br#"{"method":"initialize"}"#, true);
    let head = pairs(&[(":status", b"200"), ("mcp-session-id", id)]);
    let step = sim.response_head(stream, head, address, true);
    (stream, answered(sim, stream, step, &mut answer))
}

/// The response of a pod, likewise.
pub fn respond(
    sim: &mut Sim,
    stream: u32,
    status: &str,
    address: &str,
    mut answer: impl FnMut(&Callout) -> CallResponse,
) -> Step {
    let head = pairs(&[(":status", status.as_bytes())]);
    let step = sim.response_head(stream, head, address, true);
    answered(sim, stream, step, &mut answer)
}

/// Answers callouts, as long as there are any; what an exchange that waited does then.
pub fn answered(
    sim: &mut Sim,
    stream: u32,
    step: Step,
    answer: &mut impl FnMut(&Callout) -> CallResponse,
) -> Step {
    for _ in 0..100 {
        let calls = sim.calls();
        if calls.is_empty() {
            break;
        }
        for (call, callout) in calls {
            let response = answer(&callout);
            sim.respond_to_call(call, response);
        }
    }
    let step = if step == Step::Wait { sim.step(stream) } else { step };
    assert_ne!(step, Step::Wait, "paused for ever");
    step
}

#[cfg(test)]
mod tests;
