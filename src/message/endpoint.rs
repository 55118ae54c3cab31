//! The first event of a stream of HTTP+SSE, which says where its client sends messages (MCP 2024-11-05,
//! Transports, HTTP with SSE).

use super::percent_decoded;
use crate::session::SessionHeader;

/// A peek that has seen this many bytes without such an event gives up.
const PEEK_BYTES: usize = 4096;

/// How the parameter of a URI is called that names the session. The specification leaves that open;
/// these are the names that MCP's own SDKs give it, in lower case.
const PARAMETERS: [&[u8]; 2] = [b"sessionid", b"session_id"];

/// The session that a URI or the target of a request names, as it is written there. Names count however
/// they are written, for servers read them in more than one way; and if there are two, nobody knows which of
/// them a server takes.
pub fn session_in(uri: &[u8]) -> SessionHeader<'_> {
    let mut found = SessionHeader::None;
    let uri = uri.split(|byte| *byte == b'#').next().unwrap_or_default();
    let Some(begin) = uri.iter().position(|byte| *byte == b'?') else { return found };
    let query = uri.get(begin + 1..).unwrap_or_default();
    for parameter in query.split(|byte| *byte == b'&') {
        let equals = parameter.iter().position(|byte| *byte == b'=').unwrap_or(parameter.len());
        let (name, value) = parameter.split_at_checked(equals).unwrap_or_default();
        if PARAMETERS.contains(&percent_decoded(name).to_ascii_lowercase().as_slice()) {
            found.add(value.get(1..).unwrap_or_default());
        }
    }
    found
}

/// Reads a stream up to the end of its first `endpoint` event.
#[derive(Clone, Debug, Default)]
pub struct EndpointPeek {
    line: Vec<u8>,
    after_return: bool,
    is_endpoint: bool,
    /// The last line of data of the event at hand.
    data: Option<Vec<u8>>,
    seen: usize,
    found: Option<Vec<u8>>,
}

impl EndpointPeek {
    /// How much more of the stream is worth reading, in bytes.
    pub fn wants(&self) -> usize {
        if self.found.is_some() { 0 } else { PEEK_BYTES.saturating_sub(self.seen) }
    }

    /// Takes the next piece of the stream. Returns the URI of the event, once.
    pub fn read(&mut self, bytes: &[u8]) -> Option<Vec<u8>> {
        let bytes = bytes.get(..self.wants()).unwrap_or(bytes);
        self.seen += bytes.len();
        for byte in bytes {
            // CR, LF and CRLF end a line alike.
            let after_return = std::mem::replace(&mut self.after_return, *byte == b'\r');
            match byte {
                b'\n' if after_return => {}
                b'\r' | b'\n' => {
                    let line = std::mem::take(&mut self.line);
                    self.end_line(&line);
                    if self.found.is_some() {
                        return self.found.clone();
                    }
                }
                byte => self.line.push(*byte),
            }
        }
        None
    }

    /// WHATWG HTML, "Interpreting an event stream".
    fn end_line(&mut self, line: &[u8]) {
        if line.is_empty() {
            // One without data is no event.
            let (data, is_endpoint) = (self.data.take(), std::mem::take(&mut self.is_endpoint));
            self.found = data.filter(|_| is_endpoint);
            return;
        }
        let colon = line.iter().position(|byte| *byte == b':').unwrap_or(line.len());
        let (name, value) = line.split_at_checked(colon).unwrap_or_default();
        let value = value.get(1..).unwrap_or_default();
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match name {
            b"event" => self.is_endpoint = value == b"endpoint",
            b"data" => self.data = Some(value.to_vec()),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mutation::mutated;
    use proptest::prelude::*;

    fn found(stream: &[u8], pieces: usize) -> Option<Vec<u8>> {
        let mut peek = EndpointPeek::default();
        let found: Vec<_> =
            stream.chunks(pieces.max(1)).filter_map(|piece| peek.read(piece)).collect();
        assert!(found.len() < 2, "it is found once");
        found.into_iter().next()
    }

    #[test]
    fn the_session_is_found_in_what_servers_send() {
        for (about, stream, wanted) in [
            ("TypeScript", "event: endpoint\ndata: /message?sessionId=a-b\n\n", Some("a-b")),
            ("Python", "event: endpoint\r\ndata: /messages/?session_id=0f\r\n\r\n", Some("0f")),
            ("Go", "event: endpoint\ndata: /sse?sessionid=ABC234\n\n", Some("ABC234")),
            ("Java", "event:endpoint\ndata:https://mcp.example/m?a=b&sessionId=c\n\n", Some("c")),
            ("after a comment", ": hello\n\nevent: endpoint\ndata: ?sessionId=d#e\n\n", Some("d")),
            ("the data first", "data: /m?sessionId=e\nevent: endpoint\n\n", Some("e")),
            (
                "a message before",
                "data: {}\n\nevent: endpoint\rdata: /m?sessionId=f\r\r",
                Some("f"),
            ),
            (
                "after an event without data, which is none",
                "event: endpoint\n\nevent: endpoint\ndata: /m?sessionId=h\n\n",
                Some("h"),
            ),
            ("no session", "event: endpoint\ndata: /message\n\n", None),
            ("another case", "event: endpoint\ndata: /m?SESSIONID=a&sessionIdx=b\n\n", Some("a")),
            ("another parameter", "event: endpoint\ndata: /m?sessionIdx=b\n\n", None),
            ("with escapes", "event: endpoint\ndata: /m?session%5Fid=g\n\n", Some("g")),
        ] {
            for pieces in [1, 7, 1000] {
                let uri = found(stream.as_bytes(), pieces).expect(about);
                let wanted =
                    wanted.map_or(SessionHeader::None, |id| SessionHeader::One(id.as_bytes()));
                assert_eq!(session_in(&uri), wanted, "{about}");
            }
        }
        for twice in
            ["?sessionId=a&sessionId=b", "?session_id=a&SessionId=a", "?sessionid&sessionid=a"]
        {
            assert_eq!(session_in(twice.as_bytes()), SessionHeader::Many, "{twice}");
        }
        for stream in ["event: endpoint\ndata: /m?sessionId=a\n", "event: ping\ndata: x\n\n", ""] {
            assert_eq!(found(stream.as_bytes(), 1), None, "{stream:?}");
        }
        let late = format!("{}event: endpoint\ndata: x\n\n", ": x\n\n".repeat(1000));
        assert_eq!(found(late.as_bytes(), 100), None, "it gives up");
    }

    proptest! {
        #[test]
        fn how_a_stream_is_cut_up_changes_nothing(
            stream in mutated([
                ": a\r\n\r\nevent: endpoint\r\ndata: /messages/?session_id=0f\r\n\r\n",
                "event: endpoint\ndata: /message?sessionId=a-b\n\ndata: {}\n\n",
            ]),
            pieces in 1usize..20,
        ) {
            prop_assert_eq!(found(&stream, pieces), found(&stream, usize::MAX));
            session_in(&stream);
        }
    }
}
