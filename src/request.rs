//! What a request asks for, read from its headers alone.

use crate::headers::Headers;
use crate::message;
use crate::session::{BadId, Scope, SessionId, SessionKey};
use crate::steer;

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
    /// `mcp-protocol-version`. Any later one must be the same or the request counts as one of an
    /// unknown version.
    pub version: Option<&'a [u8]>,
    /// Names of steering headers that the client sent.
    pub client_steering: Vec<&'a str>,
}

impl<'a> Head<'a> {
    /// Reads the headers of a request.
    pub fn read(headers: &'a Headers) -> Self {
        let mut head = Self::default();
        for (name, value) in headers {
            match name {
                b":method" => head.method = value,
                b":path" => head.path = value,
                b":authority" => head.authority = Some(value),
                b"x-forwarded-host" => head.forwarded_host = Some(value),
                b"mcp-session-id" => head.session_id.add(value),
                b"mcp-protocol-version" => {
                    // HTTP/2 does not cut off white space, as HTTP/1 does.
                    let value = value.trim_ascii();
                    head.version = match head.version {
                        Some(other) if other != value => Some(b""),
                        _ => Some(value),
                    };
                }
                name if steer::is_steering(name) => {
                    head.client_steering.extend(std::str::from_utf8(name));
                }
                _ => {}
            }
        }
        head
    }

    /// What the request asks for, if it is meant for one of `paths`.
    pub fn intent(&self, paths: &Paths, scope: &Scope) -> Intent {
        if !paths.cover(self.path) {
            return Intent::Elsewhere;
        }
        if !message::has_sessions(self.version) {
            return Intent::Sessionless;
        }
        match self.session_id.parse() {
            None if self.method == b"POST" => Intent::Open,
            None => Intent::NoSession,
            Some(Ok(id)) => Intent::Use { key: scope.key(id), method: Method::of(self.method) },
            Some(Err(bad)) => Intent::Malformed(bad),
        }
    }
}

/// What a request asks for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Intent {
    /// Its path is not one of ours.
    Elsewhere,
    /// It speaks a protocol version without sessions.
    Sessionless,
    /// It may have a session but names none, and cannot open one.
    NoSession,
    /// It may open a session: a POST that names none.
    Open,
    /// It belongs to a session.
    Use {
        /// Which one.
        key: SessionKey,
        /// By which method.
        method: Method,
    },
    /// Its session id breaks the rules.
    Malformed(BadId),
}

/// The method of a request of a session, as far as it matters to what its response means.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Method {
    /// Carries a message.
    Post,
    /// Ends the session if the pod agrees.
    Delete,
    /// Opens a stream, GET that is, or is none that MCP has.
    Other,
}

impl Method {
    fn of(method: &[u8]) -> Self {
        match method {
            b"POST" => Self::Post,
            b"DELETE" => Self::Delete,
            _ => Self::Other,
        }
    }
}

/// The `Mcp-Session-Id` headers of one message.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum SessionHeader<'a> {
    /// There is none.
    #[default]
    None,
    /// There is one, with this value.
    One(&'a [u8]),
    /// There are more.
    Many,
}

impl<'a> SessionHeader<'a> {
    /// Notes one more header.
    pub fn add(&mut self, value: &'a [u8]) {
        *self = match self {
            Self::None => Self::One(value),
            Self::One(_) | Self::Many => Self::Many,
        };
    }

    /// The id, if there is a header at all.
    pub fn parse(&self) -> Option<Result<SessionId<'a>, BadId>> {
        match self {
            Self::None => None,
            Self::One(bytes) => Some(SessionId::parse(bytes)),
            Self::Many => Some(Err(BadId::Repeated)),
        }
    }
}

/// The paths on which a workload serves MCP.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Paths(Vec<Pattern>);

#[derive(Clone, Debug, Eq, PartialEq)]
enum Pattern {
    Exact(Vec<u8>),
    Prefix(Vec<u8>),
}

impl Paths {
    /// Exact paths; one that ends in `*` stands for all that begin with what precedes it.
    pub fn new<S: AsRef<str>>(paths: impl IntoIterator<Item = S>) -> Self {
        let patterns = paths.into_iter().map(|path| match path.as_ref().strip_suffix('*') {
            Some(prefix) => Pattern::Prefix(prefix.into()),
            None => Pattern::Exact(path.as_ref().into()),
        });
        Self(patterns.collect())
    }

    /// Whether `path`, its query left out, is one of these.
    pub fn cover(&self, path: &[u8]) -> bool {
        let path = path.split(|byte| matches!(byte, b'?' | b'#')).next().unwrap_or_default();
        self.0.iter().any(|pattern| match pattern {
            Pattern::Exact(exact) => path == exact,
            Pattern::Prefix(prefix) => path.starts_with(prefix),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn intent(headers: &[(&str, &[u8])]) -> Intent {
        let headers: Headers = headers.iter().copied().collect();
        Head::read(&headers).intent(&Paths::new(["/mcp"]), &Scope::new("default/myserver"))
    }

    #[test]
    fn a_request_is_read_from_its_headers_alone() {
        let key = Scope::new("default/myserver").key(SessionId::parse(b"abc").unwrap());
        let long = [b'x'; 8192];
        for (about, headers, wanted) in [
            ("a post", &[(":method", &b"POST"[..])][..], Intent::Open),
            ("a get", &[(":method", b"GET")], Intent::NoSession),
            (
                "a session",
                &[(":method", b"GET"), ("mcp-session-id", b"abc")],
                Intent::Use { key, method: Method::Other },
            ),
            (
                "the end of a session",
                &[(":method", b"DELETE"), ("mcp-session-id", b"abc")],
                Intent::Use { key, method: Method::Delete },
            ),
            (
                "a known version",
                &[
                    (":method", b"POST"),
                    ("mcp-session-id", b"abc"),
                    ("mcp-protocol-version", b"2025-06-18"),
                    ("mcp-protocol-version", b"2025-06-18"),
                ],
                Intent::Use { key, method: Method::Post },
            ),
            (
                "a known version, with a space behind it",
                &[
                    (":method", b"POST"),
                    ("mcp-session-id", b"abc"),
                    ("mcp-protocol-version", b"2025-06-18 "),
                ],
                Intent::Use { key, method: Method::Post },
            ),
            (
                "a version without sessions, with a stray id",
                &[("mcp-session-id", b"abc"), ("mcp-protocol-version", b"2026-07-28")],
                Intent::Sessionless,
            ),
            (
                "two versions that differ",
                &[("mcp-protocol-version", b"2025-06-18"), ("mcp-protocol-version", b"2025-11-25")],
                Intent::Sessionless,
            ),
            ("no bytes", &[("mcp-session-id", b"")], Intent::Malformed(BadId::Empty)),
            ("8 KB", &[("mcp-session-id", &long)], Intent::Malformed(BadId::TooLong)),
            (
                "not ASCII",
                &[("mcp-session-id", b"\xff")],
                Intent::Malformed(BadId::NotVisibleAscii),
            ),
            (
                "two, though the same",
                &[("mcp-session-id", b"abc"), ("mcp-session-id", b"abc")],
                Intent::Malformed(BadId::Repeated),
            ),
        ] {
            for path in [&b"/mcp"[..], b"/mcp?a=b"] {
                let headers = [&[(":path", path)], headers].concat();
                assert_eq!(intent(&headers), wanted, "{about}");
            }
            let elsewhere = [&[(":path", &b"/health"[..])], headers].concat();
            assert_eq!(intent(&elsewhere), Intent::Elsewhere, "{about}, elsewhere");
        }
    }

    #[test]
    fn paths_are_exact_unless_they_end_in_a_star() {
        let paths = Paths::new(["/mcp", "/v1/*"]);
        for (path, wanted) in [
            ("/mcp", true),
            ("/mcp?x=/v2", true),
            ("/mcp#top", true),
            ("/mcp/", false),
            ("/mcpx", false),
            ("/v1/", true),
            ("/v1/a/mcp", true),
            ("/v1", false),
            ("/?/mcp", false),
            ("", false),
        ] {
            assert_eq!(paths.cover(path.as_bytes()), wanted, "{path}");
        }
    }

    proptest! {
        #[test]
        fn every_steering_header_of_a_client_is_found(
            names in prop::collection::vec("x-podpin-[a-z]{0,9}|x-envoy-original-dst-host|[a-z-]{1,12}", 0..9),
        ) {
            let headers: Headers = names.iter().map(|name| (name, "10.0.0.1:80")).collect();
            let client_steering = Head::read(&headers).client_steering.len();
            prop_assert_eq!(client_steering, names.iter().filter(|n| steer::is_steering(n.as_bytes())).count());
        }
    }
}
