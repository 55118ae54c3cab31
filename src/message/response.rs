//! Whether the response to an `initialize` is an error.

use super::Media;
use super::json::{Json, Token};
use super::sse::{EventData, Piece};

/// A peek that has seen this many bytes without an end takes the response for a result.
const PEEK_BYTES: usize = 256 * 1024;

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

    /// How much more of the body is worth reading, in bytes.
    pub fn wants(&self) -> usize {
        if self.is_done() { 0 } else { PEEK_BYTES.saturating_sub(self.seen) }
    }

    /// Takes the next piece of the body.
    pub fn read(&mut self, bytes: &[u8]) {
        let mut left = bytes.get(..self.wants()).unwrap_or(bytes);
        self.seen += left.len();
        while let Some((byte, rest)) = left.split_first().filter(|_| !self.is_done()) {
            left = rest;
            match &mut self.events {
                None => {
                    self.read_json(*byte);
                    left = left.get(self.json.skips(left)..).unwrap_or_default();
                }
                Some(events) => match events.read(*byte) {
                    Some(Piece::Data(byte)) => self.read_json(byte),
                    Some(Piece::EndOfEvent) => {
                        self.json = Json::default();
                        self.skip = false;
                        self.in_outcome = None;
                    }
                    None => {}
                },
            }
        }
        if self.wants() == 0 {
            self.found.get_or_insert(false);
        }
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

    fn is_done(&self) -> bool {
        self.found.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mutation::mutated;
    use proptest::prelude::*;

    fn is_error(media: Media, body: &[u8], pieces: usize) -> bool {
        let mut peek = ResponsePeek::into(media);
        for piece in body.chunks(pieces.max(1)) {
            peek.read(piece);
        }
        peek.is_error()
    }

    #[test]
    fn a_response_is_an_error_if_it_says_so_at_the_top() {
        for (media, body, wanted) in [
            (Media::Json, r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32602}}"#, true),
            (Media::Json, r#"{"jsonrpc":"2.0","id":1,"result":{"error":1}}"#, false),
            (Media::Json, r#"{"id":"error","result":{}}"#, false),
            (Media::Json, r#"{"jsonrpc":"2.0","id":1,"error":null,"result":{}}"#, false),
            (Media::Json, r#"{"error":null,"id":1}"#, false),
            (Media::Json, r#"{"result":null,"error":{"code":1}}"#, true),
            (Media::Json, r#"{"id":1,"result":{},"error":{}}"#, false),
            (Media::Json, r#"{"error":"text","id":1}"#, true),
            (Media::Json, "not json", false),
            (Media::EventStream, "data: {\"error\":{}}\n\n", true),
            (
                Media::EventStream,
                "id: 0\nretry: 3000\ndata: \n\nid: 1\ndata: {\"error\":{}}\n\n",
                true,
            ),
            (
                Media::EventStream,
                "data: {\"method\":\"notifications/message\",\"params\":{\"error\":1}}\n\n\
                 : ping\n\ndata: {\"id\":1,\r\ndata: \"error\":{}}\r\n\r\n",
                true,
            ),
            (Media::EventStream, "data: {\"result\":{}}\n\ndata: {\"error\":{}}\n\n", false),
            (Media::EventStream, "data: garbage\n\ndata: {\"error\":{}}\n\n", true),
            (Media::Other, r#"{"error":{}}"#, false),
        ] {
            for pieces in [1, 5, usize::MAX] {
                assert_eq!(
                    is_error(media, body.as_bytes(), pieces),
                    wanted,
                    "{body:?} by {pieces}"
                );
            }
        }
    }

    #[test]
    fn a_long_message_that_is_not_the_response_does_not_hide_it() {
        let log =
            format!("data: {{\"method\":\"log\",\"params\":\"{}\"}}\n\n", "x".repeat(100_000));
        let error = "data: {\"error\":{}}\n\n";
        assert!(is_error(Media::EventStream, format!("{log}{error}").as_bytes(), 16_384));
        let endless = log.repeat(3) + error;
        assert!(!is_error(Media::EventStream, endless.as_bytes(), 16_384), "it reads no more");
    }

    proptest! {
        #[test]
        fn how_a_body_is_cut_up_changes_nothing(
            body in mutated([
                r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"\"no\""}}"#,
                r#"{"jsonrpc":"2.0","id":1,"result":{"error":{}},"error":null}"#,
                "id: 0\nretry: 3000\ndata: \n\ndata: {\"method\":\"m\"}\n\ndata: {\"error\":{}}\n\n",
                ": ping\r\n\r\nevent: message\r\ndata: {\"result\":\r\ndata: {}}\r\n\r\n",
            ]),
            pieces in 1usize..20,
        ) {
            for media in [Media::Json, Media::EventStream] {
                let whole = is_error(media, &body, usize::MAX);
                prop_assert_eq!(is_error(media, &body, pieces), whole);
            }
        }
    }
}
