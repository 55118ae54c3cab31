//! The seam between the decisions and whatever carries them out.
//!
//! In Envoy the crate `podpin-filter` implements [`Host`] with proxy-wasm host calls; under test a
//! simulated host does, with virtual time and scripted answers.

use std::fmt;
use std::time::Duration;

use crate::headers::Headers;
use crate::metrics::Metric;
use crate::pin::Timestamp;
use crate::reply::Reply;

/// Key-value data that every worker thread of one proxy sees: Envoy's "shared data".
///
/// It has no delete and no listing, so whoever uses it must keep the number of keys bounded.
pub trait SharedData {
    /// The value under `key`, with the version that [`SharedData::replace`] asks for.
    fn shared(&self, key: &str) -> Option<(Vec<u8>, Version)>;

    /// Puts `value` under `key`, unless the key's version is no longer `expected`; `None` expects
    /// that the key does not exist.
    fn replace(
        &mut self,
        key: &str,
        value: &[u8],
        expected: Option<Version>,
    ) -> Result<(), Overtaken>;
}

/// Changes with every write to a key.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Version(pub u32);

/// Another thread wrote the key since it was read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Overtaken;

/// What one HTTP exchange, and the filter as a whole, can ask of a proxy.
pub trait Host: SharedData {
    /// All headers of the request, in one crossing. Only while the request is being handled.
    fn request_headers(&self) -> Headers;

    /// All headers of the response, in one crossing.
    fn response_headers(&self) -> Headers;

    /// The status of the response, cheaper than all its headers. Zero if there is none.
    fn response_status(&self) -> u16;

    /// The `size` bytes of the body that just arrived.
    fn body(&self, direction: Direction, size: usize) -> Vec<u8>;

    /// Sets a request header to one value, whatever there was.
    fn set_request_header(&mut self, name: &str, value: &[u8]);

    /// Removes every request header called `name`.
    fn remove_request_header(&mut self, name: &str);

    /// Sets one of the proxy's own filter-state objects, by which it configures other filters.
    fn set_filter_state(&mut self, key: &str, value: &str) -> Result<(), Refused>;

    /// Puts a word into the request's access-log record and in reach of the proxy's routes.
    fn annotate(&mut self, note: Note, value: &str);

    /// Answers in place of the pod. Whatever the pod says is dropped.
    fn reply(&mut self, reply: &Reply);

    /// Lets a message go on that waited.
    fn resume(&mut self, direction: Direction);

    /// Sends an HTTP request of the filter's own, whose response comes whether or not the exchange
    /// at hand lives to see it. Every request that is sent has one response, in the end.
    fn call(&mut self, callout: &Callout) -> Result<CallId, Refused>;

    /// Whether the response at hand came from a pod, not from the proxy itself.
    fn response_is_of_pod(&self) -> bool;

    /// The address of the pod that answered, as `ip:port`, if the proxy knows it.
    fn pod_address(&self) -> Option<Vec<u8>>;

    /// The time of day.
    fn now(&self) -> Timestamp;

    /// 64 random bits that nobody can guess; `None` if there is no source of them.
    fn random(&mut self) -> Option<u64>;

    /// Adds one to a counter.
    fn count(&mut self, metric: Metric);
}

/// The host cannot do what was asked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Refused;

/// Which way a body flows.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Direction {
    /// From the client to the pod.
    Request,
    /// From the pod to the client.
    Response,
}

/// What a record of the access log says about the filter.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Note {
    /// The last decision, by the name that [`crate::decision::Decision`] gives it.
    Decision,
    /// The pod that the request was steered to. Absent if the proxy chose.
    Pod,
}

impl Note {
    /// The name of its filter-state object. Envoy puts `wasm.` in front.
    pub fn name(self) -> &'static str {
        match self {
            Self::Decision => "podpin.decision",
            Self::Pod => "podpin.pod",
        }
    }
}

/// Whether the proxy goes on with a message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Flow {
    /// It goes on.
    Continue,
    /// It waits until [`Host::resume`] or [`Host::reply`].
    Wait,
    /// It ends here: the filter has answered.
    Replied,
}

/// An HTTP request of the filter's own.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Callout {
    /// The proxy's name for where it goes.
    pub cluster: String,
    /// The `:authority` of the request.
    pub authority: String,
    /// The value of its `authorization` header.
    pub authorization: Option<Secret>,
    /// Its body, which is posted to `/`.
    pub body: Vec<u8>,
    /// How long the response may take.
    pub timeout: Duration,
}

/// Tells callouts apart.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct CallId(pub u32);

/// The response to a callout.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CallResponse {
    /// Its HTTP status; what the proxy makes of a failure, or 0 if it broke off.
    pub status: u16,
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
