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
pub mod gateway;
pub mod interop;
pub mod jwt;
pub mod link;
pub mod listeners;
pub mod machine;
pub mod mode;
pub mod model;
pub mod native;
pub mod observability;
pub mod peers;
pub mod pods;
pub mod prometheus;
pub mod redis;
pub mod scenarios;
pub mod sealed;
pub mod setup;
pub mod sse;
pub mod svg;
pub mod table;
pub mod tls;
pub mod wait;
pub mod wire;

use std::path::PathBuf;

pub use simulated::{DOMAIN, SCOPE, STATEFUL_SET, counter, metric, mini_redis, no_variable, note};

/// The root of the repository.
pub fn root() -> PathBuf {
    let manifest = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().map(PathBuf::from).unwrap_or(manifest)
}
