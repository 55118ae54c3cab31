//! The header that names an endpoint to Envoy.

use std::net::SocketAddr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// A request header that names one endpoint of a cluster.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct EndpointHeader {
    /// Its name, in lower case.
    pub name: String,
    /// How its value is written.
    pub encoding: Encoding,
}

impl EndpointHeader {
    /// The name of the header where none is given.
    pub const DEFAULT: &str = "x-podpin-endpoint";
}

/// How an endpoint's address is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Encoding {
    /// As base64 of `ip:port`: for the header mode of Envoy's filter `stateful_session`.
    Base64,
    /// As `ip:port`: for Envoy's load-balancing policy `override_host`.
    Plain,
}

impl Encoding {
    /// Writes an address. One of IPv6 has brackets.
    pub fn encode(self, endpoint: SocketAddr) -> String {
        match self {
            Self::Base64 => STANDARD.encode(endpoint.to_string()),
            Self::Plain => endpoint.to_string(),
        }
    }
}
