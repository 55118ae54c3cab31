//! The first `endpoint` event of a stream and the session that it names: the same however the stream is cut
//! up, and what a whole parser says.

#![no_main]

use fuzz::input::Input;
use fuzz::message::events;
use libfuzzer_sys::fuzz_target;
use podpin::message::{EndpointPeek, session_in};
use podpin::session::SessionHeader;

/// So much of a stream is read.
const PEEK_BYTES: usize = 4096;

fn uri<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Option<Vec<u8>> {
    let mut peek = EndpointPeek::default();
    let mut found = Vec::new();
    for piece in pieces {
        let wanted = peek.wants();
        if wanted == 0 {
            break;
        }
        found.extend(peek.read(&piece[..piece.len().min(wanted)]));
        assert!(peek.wants() <= wanted, "it wants more and more");
    }
    assert!(found.len() < 2, "it is found once");
    found.pop()
}

fuzz_target!(|bytes: &[u8]| {
    let mut input = Input(bytes);
    let pieces = input.pieces();
    let stream = pieces.concat();
    let whole = uri([stream.as_slice()]);
    assert_eq!(uri(stream.chunks(1)), whole, "by single bytes");
    assert_eq!(uri(pieces), whole, "in pieces");
    let seen = &stream[..stream.len().min(PEEK_BYTES)];
    let mut events = events(seen).into_iter().filter(|event| event.is_over);
    let first = events.find(|event| event.name == b"endpoint" && !event.data.is_empty());
    // No URI has more than one line.
    if first.as_ref().is_none_or(|first| first.data.len() == 1) {
        assert_eq!(whole, first.map(|event| event.data.concat()), "not what a parser says");
    }
    for uri in [whole.as_deref(), Some(&stream)].into_iter().flatten() {
        if let SessionHeader::One(id) = session_in(uri) {
            assert!(!id.contains(&b'&') && !id.contains(&b'#'), "more than an id");
            let is_there = uri.windows(id.len().max(1)).any(|part| part == id) || id.is_empty();
            assert!(is_there, "an id that is not there");
        }
    }
});
