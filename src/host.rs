//! The seam between the decisions and whatever carries them out.
//!
//! In Envoy the crate `podpin-filter` implements [`Host`] with proxy-wasm host calls; under test a
//! simulated host does, with virtual time and scripted responses. Nothing here is of the form of
//! one proxy's ABI: a host is an argument of every call, so it may live no longer than one callback;
//! and what ends or resumes an exchange is a value ([`Flow`]) that the shell carries out after the
//! core has returned, since a proxy may call back from within such a call.

use std::fmt;
use std::time::Duration;

use crate::http::{Edit, HeaderMap, Reply};
use crate::pods::Ordinal;
use crate::session::Timestamp;
use crate::telemetry::{Gauge, Metric, Note};

pub use crate::shared_data::{Overtaken, SharedData, SharedMap, Version};

/// What one HTTP exchange, and the filter as a whole, can ask of a proxy.
pub trait Host: SharedData {
    /// How the proxy hands over the headers of a message.
    type Headers<'a>: HeaderMap
    where
        Self: 'a;

    /// All headers of the request. Only while the request is being handled.
    fn request_headers(&self) -> Self::Headers<'_>;

    /// All headers of the response.
    fn response_headers(&self) -> Self::Headers<'_>;

    /// The status of the response, cheaper than all its headers. Zero if there is none.
    fn response_status(&self) -> u16;

    /// The first header of the response that is called `name`, cheaper than all its headers.
    fn response_header(&self, name: &str) -> Option<Vec<u8>>;

    /// The first bytes, `size` at most, of the piece of a body that just arrived.
    fn body(&self, direction: Direction, size: usize) -> Vec<u8>;

    /// Puts `bytes` in the place of the piece of the response's body that just arrived.
    fn replace_body(&mut self, bytes: &[u8]);

    /// Changes a message whose headers have not gone on yet.
    fn edit(&mut self, direction: Direction, edit: &Edit) -> Result<(), Refused>;

    /// Puts a word where the access log, the proxy's routes and other instances of this filter find
    /// it, under [`Note::name`].
    fn annotate(&mut self, note: Note, value: &str);

    /// What was last noted about the request at hand, by whichever instance of this filter.
    fn noted(&self, note: Note) -> Option<Vec<u8>>;

    /// What the proxy knows of the request at hand by this path (Envoy, "Attributes"); `None` if nothing.
    fn property(&self, path: &[String]) -> Option<Vec<u8>>;

    /// Sends an HTTP request of the filter's own, whose response comes whether or not the exchange
    /// at hand lives to see it. Every request that is sent has one response, in the end.
    fn call(&mut self, callout: &Callout) -> Result<CallId, Refused>;

    /// Where the response at hand came from.
    fn response_source(&self) -> Source;

    /// The address of the upstream that the request was sent to, as `ip:port`, if the proxy knows
    /// it. That a response came from there is for [`Host::response_source`] to say.
    fn upstream_address(&self) -> Option<Vec<u8>>;

    /// The proxy's name for the cluster that the request was sent to, as [`Callout::cluster`] takes
    /// it.
    fn upstream_cluster(&self) -> Option<String>;

    /// The time of day.
    fn now(&self) -> Timestamp;

    /// 64 random bits that nobody can guess; `None` if there is no source of them.
    fn random(&mut self) -> Option<u64>;

    /// Adds one to a counter.
    fn count(&mut self, metric: Metric);

    /// Sets a gauge.
    fn set(&mut self, gauge: Gauge, value: u64);

    /// Sets the gauge of how many sessions live on a pod.
    fn set_sessions(&mut self, pod: Ordinal, sessions: u64);
}

/// The host cannot do what was asked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Refused;

/// Which way a message goes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Direction {
    /// From the client to the upstream.
    Request,
    /// From the upstream to the client.
    Response,
}

/// Where a response came from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Source {
    /// The upstream.
    Pod,
    /// The proxy itself.
    Proxy(Cause),
}

/// Why a proxy answers in place of an upstream.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Cause {
    /// It has no address for the upstream: DNS has no such name, say.
    NoAddress,
    /// The upstream took no connection.
    Unreachable,
    /// The connection ended before the response began.
    Reset,
    /// The upstream took too long.
    TimedOut,
    /// The proxy sends no more there for now: a circuit breaker, say.
    Overloaded,
    /// Another filter, a route, or something else.
    Other,
}

/// Tells exchanges apart.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct ExchangeId(pub u64);

/// What becomes of a message. A wish: the shell carries it out after the core has returned.
#[derive(Clone, Debug, Eq, PartialEq)]
#[must_use]
pub enum Flow {
    /// It goes on.
    Continue,
    /// It waits for a [`crate::store::Wake`].
    Wait,
    /// It is broken off.
    Break,
    /// It ends here: this is the response. Whatever the upstream says is dropped.
    Reply(Reply),
}

/// An HTTP request of the filter's own.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Callout {
    /// The proxy's name for where it goes.
    pub cluster: String,
    /// Its method.
    pub method: &'static str,
    /// Its path.
    pub path: String,
    /// Its `:authority`.
    pub authority: String,
    /// Its other headers.
    pub headers: Vec<(String, Secret)>,
    /// Its body.
    pub body: Vec<u8>,
    /// How long the response may take.
    pub timeout: Duration,
}

/// Tells callouts apart.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct CallId(pub u64);

/// The response to a callout.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CallResponse {
    /// Its HTTP status; what the proxy makes of a failure, or 0 if it broke off.
    pub status: u16,
    /// A server has sent it, not the proxy in a server's place.
    pub is_from_server: bool,
    /// Its body.
    pub body: Vec<u8>,
}

/// Text that must not be shown. `Debug` does not.
#[derive(Clone, Eq, PartialEq)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}
