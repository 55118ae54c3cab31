//! What a request asks for, read from its headers alone.

use crate::http::{Head, Paths};
use crate::message::{Era, session_in};
use crate::modern::Ruling;
use crate::session::{BadId, Scope, SessionHeader, SessionId, SessionKey};
use crate::store::sealed;

/// Where a workload serves MCP, and how its sessions are told apart.
#[derive(Clone, Debug)]
pub struct Served {
    /// The workload.
    pub scope: Scope,
    /// The paths of Streamable HTTP.
    pub paths: Paths,
    /// Those of HTTP+SSE, of its streams and of its messages.
    pub sse_paths: Paths,
    /// The workload by HTTP+SSE, whose sessions are others.
    pub sse_scope: Scope,
    /// Whether session ids are sealed.
    pub is_sealed: bool,
    /// Whether sessions belong to subjects.
    pub is_bound: bool,
    /// Whether clients are to fall back to a protocol version that has sessions.
    pub refuses_modern: bool,
}

impl Served {
    /// The key of a session of Streamable HTTP.
    pub(crate) fn key(&self, id: SessionId<'_>) -> SessionKey {
        let sealed = if self.is_sealed { sealed::key_in(id) } else { None };
        sealed.unwrap_or_else(|| self.scope.key(id))
    }

    /// Whether a request may reach a session by another spelling of a path of Streamable HTTP, past the one
    /// whom it belongs to.
    pub(crate) fn may_slip_by(&self, head: &Head<'_>) -> bool {
        self.is_bound
            && head.session_id != SessionHeader::None
            && !self.paths.cover(head.path)
            && self.paths.may_cover(head.path)
    }

    /// The same of a message of HTTP+SSE.
    fn hides(&self, head: &Head<'_>) -> bool {
        self.is_bound
            && head.method == b"POST"
            && session_in(head.path) != SessionHeader::None
            && self.sse_paths.may_cover(head.path)
    }
}

/// What a request asks for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Intent {
    /// Its path is not one of ours.
    Elsewhere,
    /// It speaks a protocol version without sessions.
    Sessionless,
    /// The same, but a rule says where it goes.
    Ruled(Ruling),
    /// The same, where its client is to open a session instead.
    Refused,
    /// It may have a session but names none, and cannot open one.
    NoSession,
    /// It may open a session: a POST that names none.
    Open,
    /// It may open a session by the stream that its response is: a GET of HTTP+SSE.
    OpenStream,
    /// It belongs to a session.
    Use {
        /// Which one.
        key: SessionKey,
        /// By which method.
        method: Method,
    },
    /// Its session id breaks the rules.
    Malformed(BadId),
    /// It may open a session, but it is not known for whom, and that has to be.
    Unidentified,
    /// It sends a message of HTTP+SSE to a session that cannot be told, though a server may tell it.
    Nameless,
}

impl Intent {
    /// What the request asks for, if it is meant for what is `served`.
    pub fn of(head: &Head<'_>, served: &Served) -> Self {
        let Served { paths, sse_paths, .. } = served;
        if !paths.cover(head.path) {
            return match sse_paths.cover(head.path) {
                true => Self::of_sse(head, served),
                false if served.hides(head) => Self::Nameless,
                false => Self::Elsewhere,
            };
        }
        if head.era == Era::Sessionless {
            // A GET or DELETE opens nothing, and which versions a server has it says itself.
            return match served.refuses_modern && head.method == b"POST" {
                true => Self::Refused,
                false => Self::Sessionless,
            };
        }
        match head.session_id.parse() {
            None if head.method == b"POST" => Self::Open,
            None => Self::NoSession,
            Some(Ok(id)) => Self::Use { key: served.key(id), method: Method::of(head.method) },
            Some(Err(bad)) => Self::Malformed(bad),
        }
    }

    /// By HTTP+SSE (MCP 2024-11-05, Transports) a session is its stream, and the target of a message names
    /// it.
    fn of_sse(head: &Head<'_>, served: &Served) -> Self {
        match session_in(head.path).parse() {
            None if head.method == b"GET" => Self::OpenStream,
            None if head.method == b"POST" && served.is_bound => Self::Nameless,
            None => Self::NoSession,
            Some(Ok(id)) => {
                let key = served.sse_scope.key(id);
                Self::Use { key, method: Method::of(head.method) }
            }
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
        intent_where(false, headers)
    }

    fn intent_where(refuses_modern: bool, headers: &[(&str, &[u8])]) -> Intent {
        let headers = headers.to_vec();
        let head = Head::read(&headers, |_| false);
        let scope = Scope::new("default/myserver");
        Intent::of(
            &head,
            &Served {
                sse_scope: scope.apart("sse"),
                scope,
                paths: Paths::new(["/mcp"]),
                sse_paths: Paths::new(["/sse", "/messages*"]),
                is_sealed: false,
                is_bound: false,
                refuses_modern,
            },
        )
    }

    #[test]
    fn a_session_of_sse_is_named_by_the_target() {
        let scope = Scope::new("default/myserver").apart("sse");
        let key = scope.key(SessionId::parse(b"abc").unwrap());
        let using = |method| Intent::Use { key, method };
        for (method, path, wanted) in [
            ("GET", "/sse", Intent::OpenStream),
            ("GET", "/sse?token=x", Intent::OpenStream),
            ("POST", "/messages/?session_id=abc", using(Method::Post)),
            ("POST", "/sse?a=b&sessionid=abc", using(Method::Post)),
            ("GET", "/sse?sessionId=abc", using(Method::Other)),
            ("POST", "/messages/", Intent::NoSession),
            ("POST", "/messages/?session_id=", Intent::Malformed(BadId::Empty)),
            ("POST", "/other?session_id=abc", Intent::Elsewhere),
        ] {
            // A header of Streamable HTTP means nothing here.
            let headers = [
                (":method", method.as_bytes()),
                (":path", path.as_bytes()),
                ("mcp-session-id", b"other"),
            ];
            assert_eq!(intent(&headers), wanted, "{method} {path}");
        }
    }

    #[test]
    fn a_post_is_refused_only_for_a_version_without_sessions() {
        let path = (":path", &b"/mcp"[..]);
        let refused = |method: &str, versions: &[&str]| {
            let mut headers = vec![(":method", method.as_bytes()), path];
            headers.extend(versions.iter().map(|it| ("mcp-protocol-version", it.as_bytes())));
            let (refused, passes) = (intent_where(true, &headers), intent(&headers));
            assert_ne!(passes, Intent::Refused);
            match refused {
                Intent::Refused => {
                    assert_eq!(passes, Intent::Sessionless);
                    true
                }
                other => {
                    assert_eq!(other, passes, "what is not refused is as it was");
                    false
                }
            }
        };
        for (about, method, versions, wanted) in [
            ("no version", "POST", &[][..], false),
            ("an empty one", "POST", &[""], false),
            ("the first version", "POST", &["2024-11-05"], false),
            ("the last with sessions", "POST", &["2025-11-25"], false),
            ("two with sessions", "POST", &["2025-06-18, 2025-11-25"], false),
            ("the first without", "POST", &["2026-07-28"], true),
            ("a later one", "POST", &["2027-01-01"], true),
            ("one of either kind", "POST", &["2025-11-25", "2026-07-28"], true),
            ("no date", "POST", &["draft"], true),
            ("a stream", "GET", &["2026-07-28"], false),
            ("the end of a session", "DELETE", &["2026-07-28"], false),
        ] {
            assert_eq!(refused(method, versions), wanted, "{about}");
        }
        let elsewhere = [(":method", &b"POST"[..]), (":path", b"/health")];
        let elsewhere = [&elsewhere[..], &[("mcp-protocol-version", b"2026-07-28")]].concat();
        assert_eq!(intent_where(true, &elsewhere), Intent::Elsewhere);
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
