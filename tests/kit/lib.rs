//! Real parts on loopback, for tests and for the demonstration: MCP servers that keep sessions in
//! memory, a DNS server that knows their pod names, Envoy with the filter, and MCP clients.
//!
//! Everything takes free ports and ends when it is dropped, also after a panic.

pub mod bootstrap;
pub mod client;
pub mod dialects;
pub mod discovered;
pub mod dns;
pub mod driver;
pub mod envoy;
pub mod interop;
pub mod jwt;
pub mod link;
pub mod mini_redis;
pub mod mode;
pub mod model;
pub mod observability;
pub mod peers;
pub mod pods;
pub mod prometheus;
pub mod redis;
pub mod scenarios;
pub mod sealed;
pub mod setup;
pub mod sse;
pub mod tls;
pub mod wait;
pub mod wire;

use std::path::PathBuf;

/// The root of the repository.
pub fn root() -> PathBuf {
    let manifest = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().map(PathBuf::from).unwrap_or(manifest)
}

/// The name of the StatefulSet in the examples, and of its headless Service.
pub const STATEFUL_SET: &str = "myserver";
/// The scope of the examples, by which notes and counters are told apart.
pub const SCOPE: &str = "default/myserver";

/// The filter state of this name, as Envoy keeps it.
pub fn note(name: &str) -> String {
    format!("wasm.podpin.{SCOPE}.{name}")
}

/// A metric of this scope, as the filter names it to a proxy.
pub fn metric(name: &str) -> String {
    format!("scope=.={SCOPE};.;{name}")
}

/// The counter of this name without `podpin_` and `_total`, likewise.
pub fn counter(name: &str) -> String {
    metric(&format!("podpin_{name}_total"))
}

/// The domain below which its pods have their names.
pub const DOMAIN: &str = "mcp-myserver-headless.default.svc.cluster.local";

/// An environment without variables.
pub fn no_variable(_: &str) -> podpin::config::Variable {
    podpin::config::Variable::Missing
}
