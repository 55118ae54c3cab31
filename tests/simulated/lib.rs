//! A proxy in memory, without a network and with virtual time, for the core alone; and a Redis for it.
//!
//! Tests run scenarios on it, fuzz targets anything at all.

mod host;
pub mod mini_redis;
mod records;

use std::time::Duration;

use podpin::config::Variable;
use podpin::host::{CallResponse, Callout, Cause};
use serde_json::Value;

pub use host::{Sim, SimHost};
pub use records::{ProxyRecord, Step, StreamRecord};

/// Headers as a proxy has them, with the pseudo-headers of HTTP/2.
pub type Pairs = Vec<(String, Vec<u8>)>;

/// The filter in a host that is simulated.
pub trait Engine {
    /// The filter with this configuration.
    fn start(plugin: &Value) -> Self;

    /// A new exchange, and its request's headers.
    fn request(&mut self, headers: Pairs) -> (u32, Step);

    /// A piece of the request's body.
    fn request_body(&mut self, stream: u32, bytes: &[u8], last: bool) -> Step;

    /// The headers of the response of the pod at `address`, with a body to follow or without.
    fn response_head(&mut self, stream: u32, headers: Pairs, address: &str, has_body: bool)
    -> Step;

    /// The headers of a response of the proxy's own in the place of the pod at `address`, which has a
    /// body.
    fn local_reply(&mut self, stream: u32, headers: Pairs, address: &str, cause: Cause) -> Step;

    /// The headers of a response that has a body.
    fn response(&mut self, stream: u32, headers: Pairs, address: &str) -> Step {
        self.response_head(stream, headers, address, true)
    }

    /// A piece of the response's body.
    fn response_body(&mut self, stream: u32, bytes: &[u8], last: bool) -> Step;

    /// The exchange is over.
    fn end(&mut self, stream: u32);

    /// What came of an exchange that waited: [`Step::Wait`] if it still does.
    fn step(&mut self, stream: u32) -> Step;

    /// The callouts made since this was last asked.
    fn calls(&mut self) -> Vec<(u32, Callout)>;

    /// The response to a callout.
    fn respond_to_call(&mut self, call: u32, response: CallResponse);

    /// What the filter has made of an exchange.
    fn record(&self, stream: u32) -> StreamRecord;

    /// The proxy around it.
    fn proxy(&self) -> ProxyRecord;

    /// Lets time pass, and a tick come.
    fn advance(&mut self, time: Duration);
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
pub fn no_variable(_: &str) -> Variable {
    Variable::Missing
}

/// The response to a callout that nobody answered.
pub fn nothing() -> CallResponse {
    CallResponse { status: 504, body: Vec::new(), is_from_server: false }
}

/// What Envoy says of an answer of its own.
pub fn details_of(cause: Cause) -> &'static str {
    match cause {
        Cause::NoAddress => "dns_resolution_failure{dns_name_not_found}",
        Cause::Unreachable => {
            "upstream_reset_before_response_started{remote_connection_failure|delayed_connect_error:_111}"
        }
        Cause::Reset => "upstream_reset_before_response_started{connection_termination}",
        Cause::TimedOut => "response_timeout",
        Cause::Overloaded => "upstream_reset_before_response_started{overflow}",
        Cause::Other => "route_not_found",
    }
}

/// The cluster of the pods by name.
pub const PODS: &str = "pods";

/// The cluster of the pods by address, in examples that need one beside that.
pub const ADDRESSED: &str = "pods_by_address";
