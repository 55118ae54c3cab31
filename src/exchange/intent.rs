//! What a request asks for, read from its headers alone.

use crate::http::{Head, Paths};
use crate::message::Era;
use crate::session::{BadId, Scope, SessionKey};

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

impl Intent {
    /// What the request asks for, if it is meant for one of `paths`.
    pub fn of(head: &Head<'_>, paths: &Paths, scope: &Scope) -> Self {
        if !paths.cover(head.path) {
            return Self::Elsewhere;
        }
        if head.era == Era::Sessionless {
            return Self::Sessionless;
        }
        match head.session_id.parse() {
            None if head.method == b"POST" => Self::Open,
            None => Self::NoSession,
            Some(Ok(id)) => Self::Use { key: scope.key(id), method: Method::of(head.method) },
            Some(Err(bad)) => Self::Malformed(bad),
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::SessionId;

    fn intent(headers: &[(&str, &[u8])]) -> Intent {
        let headers = headers.to_vec();
        let head = Head::read(&headers, |_| false);
        Intent::of(&head, &Paths::new(["/mcp"]), &Scope::new("default/myserver"))
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
                "two versions, one without sessions",
                &[("mcp-protocol-version", b"2025-06-18"), ("mcp-protocol-version", b"2026-07-28")],
                Intent::Sessionless,
            ),
            (
                "the same version twice, joined by a proxy",
                &[
                    (":method", b"POST"),
                    ("mcp-session-id", b"abc"),
                    ("mcp-protocol-version", b"2025-06-18, 2025-06-18"),
                ],
                Intent::Use { key, method: Method::Post },
            ),
            (
                "a version before the first that was published",
                &[
                    (":method", b"GET"),
                    ("mcp-session-id", b"abc"),
                    ("mcp-protocol-version", b"2024-10-07"),
                ],
                Intent::Use { key, method: Method::Other },
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
}
