//! The little of MCP that is read: protocol era, `initialize`, and whether its response is an error.
//!
//! Bodies are peeked at as they pass, in whatever pieces they come, and never held back. A peek
//! keeps a few bytes of state and ends as soon as it knows.

mod json;
mod sse;

use json::{Json, Token};
use sse::EventData;

/// A peek that has seen this many bytes without an end gives up.
pub const PEEK_BYTES: usize = 256 * 1024;

/// The protocol versions that have sessions. A later one has none (MCP 2026-07-28, changelog).
const LEGACY: [&[u8]; 4] = [b"2024-11-05", b"2025-03-26", b"2025-06-18", b"2025-11-25"];

/// Whether a request with this `MCP-Protocol-Version` may belong to a session.
///
/// Only what is known to have sessions does: no header (clients send none with `initialize`) or a
/// version up to 2025-11-25.
pub fn has_sessions(version: Option<&[u8]>) -> bool {
    version.is_none_or(|version| LEGACY.contains(&version))
}

/// Whether a request body is an `initialize` request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Opens {
    /// Its method is `initialize`.
    Yes,
    /// It is something else: another method, a response, or a batch, which `initialize` must not
    /// be part of (MCP 2025-03-26, Lifecycle, Initialization).
    No,
    /// It cannot be read: compressed, cut off, not JSON, or over [`PEEK_BYTES`] without a method.
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
    /// Takes the next piece of the body.
    pub fn read(&mut self, bytes: &[u8]) {
        for byte in bytes {
            if self.is_done() {
                return;
            }
            self.seen += 1;
            self.found = match self.json.read(*byte) {
                Some(Token::Key(key)) => {
                    self.in_method = key == b"method";
                    None
                }
                Some(Token::Text(b"initialize")) if self.in_method => Some(Opens::Yes),
                Some(Token::Text(_)) if self.in_method => Some(Opens::No),
                Some(Token::Other(_)) if self.in_method => Some(Opens::No),
                Some(Token::Text(_) | Token::Other(_)) => None,
                Some(Token::Array | Token::End) => Some(Opens::No),
                Some(Token::Broken) => Some(Opens::Unknown),
                None => (self.seen >= PEEK_BYTES).then_some(Opens::Unknown),
            };
        }
    }

    /// Whether more of the body would change nothing.
    pub fn is_done(&self) -> bool {
        self.found.is_some()
    }

    /// What is known so far.
    pub fn opens(&self) -> Opens {
        self.found.unwrap_or(Opens::Unknown)
    }
}

/// The media type of a response, as far as it matters.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Media {
    /// `application/json`: one JSON-RPC message.
    Json,
    /// `text/event-stream`: JSON-RPC messages as events.
    EventStream,
    /// Anything else, or compressed.
    Other,
}

impl Media {
    /// Reads `Content-Type` and `Content-Encoding`.
    pub fn of(content_type: Option<&[u8]>, content_encoding: Option<&[u8]>) -> Self {
        let essence = content_type.unwrap_or_default().split(|byte| *byte == b';').next();
        let essence = essence.unwrap_or_default().trim_ascii();
        match content_encoding {
            Some(encoding) if !encoding.eq_ignore_ascii_case(b"identity") => Self::Other,
            _ if essence.eq_ignore_ascii_case(b"application/json") => Self::Json,
            _ if essence.eq_ignore_ascii_case(b"text/event-stream") => Self::EventStream,
            _ => Self::Other,
        }
    }
}

/// Reads the response to a request until it is known to be a result or a JSON-RPC error.
///
/// In an event stream the response may follow events without data and messages of the server's own
/// (MCP 2025-11-25, Transports, Sending Messages to the Server 6); those are passed over.
#[derive(Clone, Debug)]
pub struct ResponsePeek {
    events: Option<EventData>,
    json: Json,
    /// The message at hand is known not to be the response.
    skip: bool,
    /// The value of `error` (true) or `result` comes next.
    in_outcome: Option<bool>,
    seen: usize,
    found: Option<bool>,
}

impl ResponsePeek {
    /// A peek into a response of this media type.
    pub fn into(media: Media) -> Self {
        Self {
            events: (media == Media::EventStream).then(EventData::default),
            json: Json::default(),
            skip: false,
            in_outcome: None,
            seen: 0,
            found: (media == Media::Other).then_some(false),
        }
    }

    /// Takes the next piece of the body.
    pub fn read(&mut self, bytes: &[u8]) {
        for byte in bytes {
            if self.is_done() {
                return;
            }
            self.seen += 1;
            if self.seen >= PEEK_BYTES {
                self.found = Some(false);
            }
            match &mut self.events {
                None => self.read_json(*byte),
                Some(events) => match events.read(*byte) {
                    Some(sse::Piece::Data(byte)) => self.read_json(byte),
                    Some(sse::Piece::EndOfEvent) => {
                        self.json = Json::default();
                        self.skip = false;
                        self.in_outcome = None;
                    }
                    None => {}
                },
            }
        }
    }

    /// Whether more of the body would change nothing.
    pub fn is_done(&self) -> bool {
        self.found.is_some()
    }

    /// Whether the response is known to be an error.
    pub fn is_error(&self) -> bool {
        self.found == Some(true)
    }

    fn read_json(&mut self, byte: u8) {
        if self.skip {
            return;
        }
        match self.json.read(byte) {
            Some(Token::Key(b"error")) => self.in_outcome = Some(true),
            Some(Token::Key(b"result")) => self.in_outcome = Some(false),
            // Some servers write both, and null for the one that it is not.
            Some(Token::Other(b'n')) => self.in_outcome = None,
            Some(Token::Text(_) | Token::Other(_)) => self.found = self.in_outcome,
            Some(Token::Key(b"method") | Token::Array | Token::End | Token::Broken) => {
                // In a stream another message may follow; a whole body has no more to say.
                self.skip = true;
                self.found = self.events.is_none().then_some(false);
            }
            Some(Token::Key(_)) => self.in_outcome = None,
            None => {}
        }
    }
}

#[cfg(test)]
mod tests;
