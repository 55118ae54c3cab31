//! The data of server-sent events, byte by byte (WHATWG HTML, "Parsing an event stream").

/// A piece of an event.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Piece {
    /// A byte of its data. Lines of data are joined by a line feed.
    Data(u8),
    /// The event is over.
    EndOfEvent,
}

#[derive(Clone, Debug, Default)]
pub(super) struct EventData {
    line: Line,
    after_return: bool,
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum Line {
    /// So many bytes of the field name `data` and its colon.
    #[default]
    Start,
    Name(usize),
    /// After `data:`, where one space may follow.
    Colon,
    Data,
    /// Another field, or a comment.
    Other,
}

const FIELD: &[u8] = b"data:";

impl EventData {
    pub(super) fn read(&mut self, byte: u8) -> Option<Piece> {
        // CR, LF and CRLF end a line alike.
        if std::mem::replace(&mut self.after_return, byte == b'\r') && byte == b'\n' {
            return None;
        }
        let (line, piece) = match (self.line, byte) {
            (Line::Start, b'\r' | b'\n') => (Line::Start, Some(Piece::EndOfEvent)),
            (Line::Colon | Line::Data, b'\r' | b'\n') => (Line::Start, Some(Piece::Data(b'\n'))),
            (_, b'\r' | b'\n') => (Line::Start, None),
            (Line::Colon, b' ') => (Line::Data, None),
            (Line::Colon | Line::Data, _) => (Line::Data, Some(Piece::Data(byte))),
            (Line::Start, _) => (name(0, byte), None),
            (Line::Name(known), _) => (name(known, byte), None),
            (Line::Other, _) => (Line::Other, None),
        };
        self.line = line;
        piece
    }
}

fn name(known: usize, byte: u8) -> Line {
    match FIELD.get(known) {
        Some(wanted) if *wanted != byte => Line::Other,
        _ if known + 1 == FIELD.len() => Line::Colon,
        _ => Line::Name(known + 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(stream: &[u8]) -> Vec<String> {
        let (mut reader, mut events) = (EventData::default(), vec![Vec::new()]);
        for piece in stream.iter().filter_map(|byte| reader.read(*byte)) {
            match piece {
                Piece::Data(byte) => events.last_mut().unwrap().push(byte),
                Piece::EndOfEvent => events.push(Vec::new()),
            }
        }
        events.into_iter().map(|event| String::from_utf8(event).unwrap()).collect()
    }

    #[test]
    fn data_is_found_with_any_line_end_and_beside_any_field() {
        for (stream, wanted) in [
            ("data: a\n\ndata: b\n\n", &["a\n", "b\n", ""][..]),
            ("data: a\r\n\r\ndata:b\r\n\r\n", &["a\n", "b\n", ""]),
            ("data:a\r\rdata:  b\r\r", &["a\n", " b\n", ""]),
            ("event: message\nid: 1\ndata: a\ndata: b\nretry: 3\n\n", &["a\nb\n", ""]),
            (": data: a\n\nid: data: b\n\n", &["", "", ""]),
            ("id: 1\ndata: \n\ndata: {}\n\n", &["\n", "{}\n", ""]),
            ("data\ndatum: a\n data: b\n\n", &["", ""]),
        ] {
            assert_eq!(events(stream.as_bytes()), wanted, "{stream:?}");
        }
    }
}
