//! The headers of a request that matter.

use super::HeaderMap;
use crate::message::Era;
use crate::session::SessionHeader;

/// The headers of a request that matter, found in one pass.
#[derive(Clone, Debug, Default)]
pub struct Head<'a> {
    /// `:method`.
    pub method: &'a [u8],
    /// `:path`, with its query.
    pub path: &'a [u8],
    /// `:authority`.
    pub authority: Option<&'a [u8]>,
    /// `x-forwarded-host`, the last one.
    pub forwarded_host: Option<&'a [u8]>,
    /// `mcp-session-id`.
    pub session_id: SessionHeader<'a>,
    /// What all `mcp-protocol-version` say.
    pub era: Era,
    /// Its `content-type` is one of gRPC. A proxy answers such a request in a form of its own, which has
    /// neither status nor body of the reply (Envoy, "gRPC", local replies).
    pub is_grpc: bool,
    /// Names of steering headers that the client sent.
    pub client_steering: Vec<&'a str>,
}

impl<'a> Head<'a> {
    /// Reads the headers of a request. `is_steering` tells by its name whether a header is one by
    /// which a client would choose an upstream.
    pub fn read(headers: &'a impl HeaderMap, is_steering: impl Fn(&[u8]) -> bool) -> Self {
        let mut head = Self::default();
        for (name, value) in headers.fields() {
            match name {
                b":method" => head.method = value,
                b":path" => head.path = value,
                b":authority" => head.authority = Some(value),
                b"x-forwarded-host" => head.forwarded_host = Some(value),
                b"mcp-session-id" => head.session_id.add(value),
                b"mcp-protocol-version" => head.era.add(value),
                b"content-type" => head.is_grpc = is_grpc(value),
                name if is_steering(name) => {
                    head.client_steering.extend(std::str::from_utf8(name));
                }
                _ => {}
            }
        }
        head
    }
}

/// As Envoy tells it: `application/grpc`, alone or before a `+` or parameters.
fn is_grpc(content_type: &[u8]) -> bool {
    match content_type.strip_prefix(b"application/grpc") {
        Some([]) => true,
        Some([next, ..]) => matches!(next, b'+' | b';' | b' '),
        None => false,
    }
}
