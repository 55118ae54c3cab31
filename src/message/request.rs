//! Whether a request is an `initialize`.

use super::json::{Json, Token};

/// So much of a body is read, and no more: a client that knows no session could else buy a worker
/// thread's time with one large request. Clients write `method` among the first members.
const PEEK_BYTES: usize = 4096;

/// Whether a request body is an `initialize` request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Opens {
    /// Its method is `initialize`.
    Yes,
    /// It is something else: another method, a response, or a batch, which `initialize` must not
    /// be part of (MCP 2025-03-26, Lifecycle, Initialization).
    No,
    /// It cannot be read: compressed, cut off, not JSON, or without a method in its first [`PEEK_BYTES`].
    Unknown,
}

/// Reads a request body until its method is known.
#[derive(Clone, Debug, Default)]
pub struct RequestPeek {
    json: Json,
    in_method: bool,
    seen: usize,
    found: Option<Opens>,
}

impl RequestPeek {
    /// How much more of the body is worth reading, in bytes. Nothing once the method is known.
    pub fn wants(&self) -> usize {
        if self.found.is_some() { 0 } else { PEEK_BYTES.saturating_sub(self.seen) }
    }

    /// Takes the next piece of the body, or as much of it as [`RequestPeek::wants`] said. What
    /// lies behind that is not missed: it would have been too late.
    pub fn read(&mut self, bytes: &[u8]) {
        let mut left = bytes.get(..self.wants()).unwrap_or(bytes);
        self.seen += left.len();
        while let Some((byte, rest)) = left.split_first().filter(|_| self.found.is_none()) {
            left = rest;
            self.found = match self.json.read(*byte) {
                Some(Token::Key(key)) => {
                    self.in_method = key == b"method";
                    None
                }
                Some(Token::Text(b"initialize")) if self.in_method => Some(Opens::Yes),
                Some(Token::Text(_) | Token::Other(_)) if self.in_method => Some(Opens::No),
                Some(Token::Text(_) | Token::Other(_)) | None => None,
                Some(Token::Array | Token::End) => Some(Opens::No),
                Some(Token::Broken) => Some(Opens::Unknown),
            };
            left = left.get(self.json.skips(left)..).unwrap_or_default();
        }
    }

    /// What is known so far.
    pub fn opens(&self) -> Opens {
        self.found.unwrap_or(Opens::Unknown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mutation::mutated;
    use proptest::prelude::*;

    fn opens(body: &[u8], pieces: usize) -> Opens {
        let mut peek = RequestPeek::default();
        for piece in body.chunks(pieces.max(1)) {
            peek.read(piece);
        }
        peek.opens()
    }

    #[test]
    fn a_request_opens_a_session_if_its_method_is_initialize() {
        let late = format!(
            r#"{{"params":{{"icon":"{}"}},"method":"initialize"}}"#,
            "x".repeat(PEEK_BYTES / 2)
        );
        let too_late =
            format!(r#"{{"params":"{}","method":"initialize"}}"#, "x".repeat(PEEK_BYTES));
        for (body, wanted) in [
            (r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{}}"#, Opens::Yes),
            (late.as_str(), Opens::Yes),
            (too_late.as_str(), Opens::Unknown),
            (r#"{"method":"tools/list","params":{"method":"initialize"}}"#, Opens::No),
            (r#"{"method":"notifications/initialized"}"#, Opens::No),
            (r#"{"method":"initialized"}"#, Opens::No),
            (r#"{"method":"initializeinitialize"}"#, Opens::No),
            (r#"{"jsonrpc":"2.0","id":1,"result":{}}"#, Opens::No),
            (r#"[{"method":"initialize"}]"#, Opens::No),
            (r#"{"method":null}"#, Opens::No),
            (r#"{"id":1,"meth"#, Opens::Unknown),
            ("\u{1f}\u{8b}", Opens::Unknown),
            ("", Opens::Unknown),
        ] {
            for pieces in [1, 7, usize::MAX] {
                assert_eq!(opens(body.as_bytes(), pieces), wanted, "{body:.60} by {pieces}");
            }
        }
    }

    #[test]
    fn no_more_is_wanted_than_could_tell_something() {
        let mut peek = RequestPeek::default();
        assert_eq!(peek.wants(), PEEK_BYTES);
        peek.read(br#"{"id":1,"#);
        assert_eq!(peek.wants(), PEEK_BYTES - 8);
        peek.read(br#""method":"initialize""#);
        assert_eq!(peek.wants(), 0);
    }

    proptest! {
        #[test]
        fn how_a_body_is_cut_up_changes_nothing(
            body in mutated([
                r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"a":["\"","\\\\"]}}"#,
                r#"{"params":{"b":[{"c":"\u0061"}],"d":-1.5e3},"m\u0065thod":"tools\/call"}"#,
                r#"[{"method":"initialize"}]"#,
            ]),
            pieces in 1usize..20,
        ) {
            prop_assert_eq!(opens(&body, pieces), opens(&body, usize::MAX));
        }
    }
}
