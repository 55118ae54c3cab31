//! Session ids as clients send them.

use std::fmt;

/// The longest session id that is accepted, in bytes. MCP sets no bound; ids of the known SDKs
/// have 22 to 36.
pub const MAX_ID_BYTES: usize = 512;

/// A session id that keeps the rules of MCP 2025-11-25, Transports, Session Management 1: one or
/// more bytes of visible ASCII, 0x21 to 0x7E. At most [`MAX_ID_BYTES`].
///
/// Whoever knows an id can use the session, so `Debug` shows only its length.
#[derive(Clone, Copy, Eq, PartialEq)]
pub struct SessionId<'a>(pub(super) &'a [u8]);

impl<'a> SessionId<'a> {
    /// Checks the bytes of one header value.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, BadId> {
        match bytes {
            [] => Err(BadId::Empty),
            _ if bytes.len() > MAX_ID_BYTES => Err(BadId::TooLong),
            _ if !bytes.iter().all(|byte| matches!(byte, 0x21..=0x7e)) => {
                Err(BadId::NotVisibleAscii)
            }
            _ => Ok(Self(bytes)),
        }
    }
}

impl SessionId<'_> {
    /// Its bytes.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.0
    }
}

impl fmt::Debug for SessionId<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionId({} bytes)", self.0.len())
    }
}

/// Why the `Mcp-Session-Id` of a message is not a session id.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum BadId {
    /// The header is there and has no bytes.
    Empty,
    /// More than [`MAX_ID_BYTES`].
    TooLong,
    /// A byte outside 0x21 to 0x7E.
    NotVisibleAscii,
    /// Two headers: two readers could pick different ones.
    Repeated,
}

impl fmt::Display for BadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("Mcp-Session-Id is empty"),
            Self::TooLong => write!(f, "Mcp-Session-Id is longer than {MAX_ID_BYTES} bytes"),
            Self::NotVisibleAscii => f.write_str("Mcp-Session-Id is not visible ASCII"),
            Self::Repeated => f.write_str("Mcp-Session-Id occurs more than once"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_keep_the_rules_of_the_specification() {
        let longest = [b'x'; MAX_ID_BYTES];
        let too_long = [b'x'; MAX_ID_BYTES + 1];
        for (bytes, wanted) in [
            (&b"a"[..], Ok(())),
            (b"!~.:=,", Ok(())),
            (&longest, Ok(())),
            (&too_long, Err(BadId::TooLong)),
            (b"", Err(BadId::Empty)),
            (b"a b", Err(BadId::NotVisibleAscii)),
            (b"\xff", Err(BadId::NotVisibleAscii)),
            (b"a\x7f", Err(BadId::NotVisibleAscii)),
        ] {
            assert_eq!(SessionId::parse(bytes).map(drop), wanted, "{bytes:?}");
        }
    }

    #[test]
    fn debug_never_shows_an_id() {
        let id = SessionId::parse(b"c0ffee-secret").unwrap();
        assert_eq!(format!("{id:?}"), "SessionId(13 bytes)");
    }
}
