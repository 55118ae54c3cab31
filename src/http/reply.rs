//! The local replies that Podpin gives in place of a pod.

use std::borrow::Cow;

use crate::session::BadId;

/// A whole response. It never carries `Mcp-Session-Id`: some clients take the header over from any response, errors
/// included.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// Seconds for a `Retry-After` header.
    pub retry_after: Option<u32>,
    /// A `Location` header.
    pub location: Option<&'static str>,
    /// Why, for the proxy's own log: one word that begins with `podpin_`.
    pub details: String,
    /// A JSON-RPC error, a line of text, or nothing. An error's `id` is null: the request's is in a body that was
    /// not waited for, and clients that see their own id take the session for alive.
    pub body: String,
    /// What the body is; none if there is no body.
    content_type: Option<&'static str>,
    /// Headers of a response that it replaces.
    pub(super) carried: Vec<(String, Vec<u8>)>,
}

impl Reply {
    /// 404, on which a client must start a new session (MCP 2025-11-25, Transports, Session
    /// Management 4). Some clients do so only if the code is -32001.
    pub fn session_not_found() -> Self {
        Self::error(404, -32001, "Session not found")
    }

    /// 400 for a session id that breaks the rules of MCP.
    pub fn bad_session_id(bad: BadId) -> Self {
        Self::error(400, -32600, &bad.to_string())
    }

    /// 400 on which a client that also speaks a version with sessions falls back to `initialize`. The body is
    /// empty: to MCP a modern server is who answers with a JSON-RPC error that such a client knows (MCP 2026-07-28,
    /// Versioning), and of those -32022 fails one client that has no version in common.
    pub fn fall_back() -> Self {
        Self::empty(400)
    }

    /// 403 for a request that would open a session for nobody, where each has to be somebody's.
    pub fn no_subject() -> Self {
        Self::error(403, -32600, "A session needs an authenticated client")
    }

    /// 503 because Podpin cannot keep or use a pin now. The session may well exist, so never 404. In plain text, as the
    /// proxy's own 503: a JSON-RPC error without the request's id is for some clients an answer to nobody, and the one
    /// who called waits for ever.
    pub fn unavailable() -> Self {
        let body = "Session routing is unavailable, try again".to_owned();
        let content_type = Some("text/plain");
        Self { retry_after: Some(1), body, content_type, ..Self::empty(503) }
    }

    /// 307 to where the request was sent, on which a client sends it once more, body and all (RFC 9110 section 15.4.8).
    /// The reference is one to the same resource (RFC 3986 section 4.4), by whatever path the client knows that.
    pub fn send_again() -> Self {
        Self { location: Some("#"), ..Self::empty(307) }
    }

    fn empty(status: u16) -> Self {
        let (details, body, carried) = (String::new(), String::new(), Vec::new());
        let (retry_after, location, content_type) = (None, None, None);
        Self { status, retry_after, location, details, body, content_type, carried }
    }

    /// A JSON-RPC error.
    fn error(status: u16, code: i32, message: &str) -> Self {
        let error = format!(r#"{{"code":{code},"message":"{message}"}}"#);
        let body = format!(r#"{{"jsonrpc":"2.0","id":null,"error":{error}}}"#);
        Self { body, content_type: Some("application/json"), ..Self::empty(status) }
    }

    /// Its headers, but the status.
    pub fn headers(&self) -> impl Iterator<Item = (&str, Cow<'_, [u8]>)> {
        let own =
            self.own_headers().into_iter().map(|(name, value)| (name, value.into_bytes().into()));
        own.chain(self.carried.iter().map(|(name, value)| (name.as_str(), value.as_slice().into())))
    }

    pub(super) fn own_headers(&self) -> Vec<(&'static str, String)> {
        let content_type = self.content_type.map(|it| ("content-type", it.to_owned()));
        let mut headers: Vec<_> = content_type.into_iter().collect();
        headers.extend(self.retry_after.map(|seconds| ("retry-after", seconds.to_string())));
        headers.extend(self.location.map(|reference| ("location", reference.to_owned())));
        headers
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn what_is_a_json_rpc_error_has_no_request_id() {
        for (reply, code) in [
            (Reply::session_not_found(), -32001),
            (Reply::no_subject(), -32600),
            (Reply::bad_session_id(BadId::Empty), -32600),
            (Reply::bad_session_id(BadId::TooLong), -32600),
            (Reply::bad_session_id(BadId::NotVisibleAscii), -32600),
            (Reply::bad_session_id(BadId::Repeated), -32600),
        ] {
            let headers: Vec<_> = reply.headers().collect();
            assert_eq!(headers, [("content-type", b"application/json".as_slice().into())]);
            let body: Value = serde_json::from_str(&reply.body).unwrap();
            assert_eq!(body["jsonrpc"], json!("2.0"));
            assert_eq!(body["id"], Value::Null);
            assert_eq!(body["error"]["code"], json!(code));
        }
    }

    #[test]
    fn who_is_to_try_again_is_told_in_plain_text() {
        let reply = Reply::unavailable();
        let headers: Vec<_> = reply.headers().collect();
        let wanted: [(&str, &[u8]); 2] = [("content-type", b"text/plain"), ("retry-after", b"1")];
        assert_eq!((reply.status, headers), (503, wanted.map(|(n, v)| (n, v.into())).to_vec()));
        assert_eq!(reply.body, "Session routing is unavailable, try again");
    }

    /// With a body some clients take it for the answer of a server without sessions, and do not fall back.
    #[test]
    fn a_client_that_is_to_fall_back_gets_neither_a_body_nor_the_type_of_one() {
        let reply = Reply::fall_back();
        assert_eq!((reply.status, reply.body.as_str()), (400, ""));
        assert_eq!(reply.headers().count(), 0);
    }

    #[test]
    fn a_client_that_is_to_send_a_request_again_is_led_to_where_it_was() {
        let reply = Reply::send_again();
        let headers: Vec<_> = reply.headers().collect();
        assert_eq!((reply.status, reply.body.as_str()), (307, ""));
        assert_eq!(headers, [("location", b"#".as_slice().into())]);
    }

    /// Clients match this text.
    #[test]
    fn a_lost_session_is_said_in_the_words_that_clients_know() {
        assert_eq!(
            Reply::session_not_found().body,
            r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32001,"message":"Session not found"}}"#
        );
    }
}
