//! Whether the response to a call is a task, and which.

use super::Media;
use super::json::{Json, Token};
use super::sse::{EventData, Piece};
use crate::session::MAX_ID_BYTES;

/// So much of a response is read, and no more. A task is some hundred bytes, but messages of the server's own
/// may come before it.
const PEEK_BYTES: usize = 4096;

/// Reads the response to a call until it is known whether it is a task (MCP 2026-07-28, Tasks, CreateTaskResult).
#[derive(Clone, Debug)]
pub struct TaskPeek {
    events: Option<EventData>,
    message: Json,
    /// The value of `result` comes next.
    in_result: bool,
    result: Option<InResult>,
    /// The message at hand is known not to be the response.
    skip: bool,
    seen: usize,
    found: Option<Found>,
}

/// What a response is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Found {
    /// A task of this id, which breaks no rule of length.
    Task(Vec<u8>),
    /// A task whose id cannot be read.
    Unread,
    /// Something else, or what cannot be told from its first [`PEEK_BYTES`].
    Other,
}

/// What was read of a result.
#[derive(Clone, Debug, Default)]
struct InResult {
    json: Json<MAX_ID_BYTES>,
    key: Key,
    is_task: bool,
    id: Option<Vec<u8>>,
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum Key {
    ResultType,
    TaskId,
    #[default]
    Other,
}

// === impl TaskPeek ===

impl TaskPeek {
    /// A peek into a response of this media type.
    pub fn into(media: Media) -> Self {
        Self {
            events: (media == Media::EventStream).then(EventData::default),
            message: Json::default(),
            in_result: false,
            result: None,
            skip: false,
            seen: 0,
            found: (media == Media::Other).then_some(Found::Other),
        }
    }

    /// How much more of the body is worth reading, in bytes.
    pub fn wants(&self) -> usize {
        if self.found.is_some() { 0 } else { PEEK_BYTES.saturating_sub(self.seen) }
    }

    /// Takes the next piece of the body. What the response is, if that is known by now.
    pub fn read(&mut self, bytes: &[u8]) -> Option<&Found> {
        let bytes = bytes.get(..self.wants()).unwrap_or(bytes);
        self.seen += bytes.len();
        for byte in bytes {
            match &mut self.events {
                None => self.read_json(*byte),
                Some(events) => match events.read(*byte) {
                    Some(Piece::Data(byte)) => self.read_json(byte),
                    Some(Piece::EndOfEvent) => {
                        (self.message, self.result) = (Json::default(), None);
                        (self.skip, self.in_result) = (false, false);
                    }
                    None => {}
                },
            }
            if self.found.is_some() {
                break;
            }
        }
        if self.wants() == 0 && self.found.is_none() {
            let is_task = self.result.as_ref().is_some_and(|result| result.is_task);
            self.found = Some(if is_task { Found::Unread } else { Found::Other });
        }
        self.found.as_ref()
    }

    fn read_json(&mut self, byte: u8) {
        if self.skip {
            return;
        }
        let is_over = match &mut self.result {
            Some(result) => result.read(byte),
            None => false,
        };
        if is_over {
            self.found = self.result.take().map(InResult::found);
            return;
        }
        match self.message.read(byte) {
            Some(Token::Key(key)) => {
                self.in_result = key == b"result";
                self.skip = key == b"method";
            }
            Some(Token::Other(b'{')) if self.in_result => {
                let mut result = InResult::default();
                result.read(byte);
                self.result = Some(result);
            }
            Some(Token::Array | Token::End | Token::Broken) => self.skip = true,
            Some(Token::Text(_) | Token::Other(_)) | None => {}
        }
        if self.skip && self.events.is_none() {
            self.found = Some(Found::Other);
        }
    }
}

impl InResult {
    /// Takes the next byte. Whether that tells all.
    fn read(&mut self, byte: u8) -> bool {
        match self.json.read(byte) {
            Some(Token::Key(key)) => {
                self.key = match key {
                    b"resultType" => Key::ResultType,
                    b"taskId" => Key::TaskId,
                    _ => Key::Other,
                };
            }
            Some(Token::Text(text)) => match self.key {
                Key::ResultType if text != b"task" => return true,
                Key::ResultType => self.is_task = true,
                Key::TaskId => self.id = Some(text.to_vec()),
                Key::Other => {}
            },
            Some(Token::End | Token::Array | Token::Broken) => return true,
            Some(Token::Other(_)) | None => {}
        }
        self.is_task && self.id.is_some()
    }

    fn found(self) -> Found {
        match (self.is_task, self.id) {
            (true, Some(id)) => Found::Task(id),
            (true, None) => Found::Unread,
            (false, _) => Found::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mutation::mutated;
    use proptest::prelude::*;

    fn found(media: Media, body: &[u8], pieces: usize) -> Option<Found> {
        let mut peek = TaskPeek::into(media);
        let mut found = None;
        for piece in body.chunks(pieces.max(1)) {
            found = peek.read(piece).cloned();
        }
        found
    }

    const CREATED: &str = r#"{"jsonrpc":"2.0","id":2,"result":{"taskId":"6yRR","status":"working",
        "ttlMs":900000,"_meta":{"taskId":"no","a":[{"taskId":1}]},"resultType":"task"}}"#;

    #[test]
    fn a_task_is_told_by_the_type_of_its_result() {
        let long = format!(r#"{{"result":{{"content":"{}"}}}}"#, "x".repeat(PEEK_BYTES));
        let longest = "x".repeat(MAX_ID_BYTES);
        let task = |id: &str| format!(r#"{{"result":{{"resultType":"task","taskId":"{id}"}}}}"#);
        let is = |id: &str| Some(Found::Task(id.as_bytes().to_vec()));
        let late = format!("{{\"result\":{{\"resultType\":\"task\",\"a\":\"{long}\"");
        for (about, body, wanted) in [
            ("as FastMCP writes it", CREATED, is("6yRR")),
            ("the type first", &task("a"), is("a")),
            ("escapes", r#"{"result":{"resultType":"t\u0061sk","taskId":"a\/b"}}"#, is("a/b")),
            ("as long as may be", &task(&longest), is(&longest)),
            (
                "a result",
                r#"{"result":{"resultType":"complete","content":[]}}"#,
                Some(Found::Other),
            ),
            ("one without a type", r#"{"result":{"taskId":"a"}}"#, Some(Found::Other)),
            ("a question", r#"{"result":{"resultType":"input_required"}}"#, Some(Found::Other)),
            ("an error", r#"{"error":{"code":1},"id":2}"#, Some(Found::Other)),
            ("a request", r#"{"method":"x","params":{"taskId":"a"}}"#, Some(Found::Other)),
            (
                "a task deeper",
                r#"{"result":{"a":{"resultType":"task","taskId":"b"}}}"#,
                Some(Found::Other),
            ),
            ("no object", r#"{"result":[{"resultType":"task"}]}"#, Some(Found::Other)),
            ("no id", r#"{"result":{"resultType":"task"}}"#, Some(Found::Unread)),
            (
                "an id that is no text",
                r#"{"result":{"resultType":"task","taskId":1}}"#,
                Some(Found::Unread),
            ),
            ("too late to be read", &late, Some(Found::Unread)),
            ("much of something else", &long, Some(Found::Other)),
            ("a part", r#"{"result":{"resultType":"task","#, None),
        ] {
            for pieces in [1, 7, usize::MAX] {
                assert_eq!(
                    found(Media::Json, body.as_bytes(), pieces),
                    wanted,
                    "{about} by {pieces}"
                );
            }
        }
        assert_eq!(found(Media::Other, CREATED.as_bytes(), 9), Some(Found::Other), "compressed");
    }

    #[test]
    fn a_task_is_found_in_a_stream_behind_messages_of_the_servers_own() {
        let data = CREATED.replace('\n', " ");
        let notified =
            "event: message\ndata: {\"method\":\"notifications/message\",\"params\":{}}\n\n";
        for stream in [
            format!("data: {data}\n\n"),
            format!(": ping\r\n\r\ndata: {data}\r\n\r\n"),
            format!("{notified}{notified}event: message\ndata: {data}\n\n"),
        ] {
            for pieces in [1, 13, usize::MAX] {
                let found = found(Media::EventStream, stream.as_bytes(), pieces);
                assert_eq!(found, Some(Found::Task(b"6yRR".to_vec())), "{stream}");
            }
        }
        let endless = notified.repeat(100) + &format!("data: {data}\n\n");
        assert_eq!(found(Media::EventStream, endless.as_bytes(), 1000), Some(Found::Other));
    }

    proptest! {
        #[test]
        fn how_a_body_is_cut_up_changes_nothing(
            body in mutated([
                CREATED,
                "data: {\"method\":\"m\"}\n\ndata: {\"result\":{\"taskId\":\"a\",\"resultType\":\"task\"}}\n\n",
            ]),
            pieces in 1usize..20,
        ) {
            for media in [Media::Json, Media::EventStream] {
                prop_assert_eq!(found(media, &body, pieces), found(media, &body, usize::MAX));
            }
        }
    }
}
