//! Changes to a message that passes.

use std::borrow::Cow;
use std::net::SocketAddr;

/// One change to a request or a response.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Edit {
    /// Set a header to one value, whatever there was.
    Set(Cow<'static, str>, Vec<u8>),
    /// Remove every header of this name.
    Remove(Cow<'static, str>),
    /// Set one of the proxy's own filter-state objects, by which it configures other filters
    /// (Envoy, "Well Known Filter State Objects"). Of requests only.
    FilterState(&'static str, String),
    /// Send the request to this endpoint of the cluster that its route leads to, and to no other. A proxy
    /// that cannot be told so sets a header, of this name to this value, by which another filter does.
    /// Of requests only.
    Endpoint(SocketAddr, String, Vec<u8>),
}
