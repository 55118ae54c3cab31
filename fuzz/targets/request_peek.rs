//! Whether a request is an `initialize`: the same however it is cut up, and what a whole parser says.

#![no_main]

use fuzz::input::Input;
use fuzz::message::Text;
use libfuzzer_sys::fuzz_target;
use podpin::message::{Opens, RequestPeek};
use serde_json::Value;

/// So much of a body is read.
const PEEK_BYTES: usize = 4096;

fn opens<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Opens {
    let mut peek = RequestPeek::default();
    let mut wanted = peek.wants();
    for piece in pieces {
        // As the filter does, which takes no more out of the proxy.
        peek.read(&piece[..piece.len().min(wanted)]);
        assert!(peek.wants() <= wanted, "it wants more and more");
        wanted = peek.wants();
    }
    peek.opens()
}

fuzz_target!(|bytes: &[u8]| {
    let mut input = Input(bytes);
    let pieces = input.pieces();
    let body = pieces.concat();
    let whole = opens([body.as_slice()]);
    assert_eq!(opens(body.chunks(1)), whole, "by single bytes");
    assert_eq!(opens(pieces), whole, "in pieces");
    if body.len() > PEEK_BYTES {
        return;
    }
    let wanted = match Text::read(&body) {
        Some(Text::Members(members)) => {
            let method = members.into_iter().find(|(name, _)| name == "method");
            match method {
                Some((_, Value::String(method))) if method == "initialize" => Opens::Yes,
                Some(_) | None => Opens::No,
            }
        }
        Some(Text::Array) => Opens::No,
        Some(Text::Scalar) | None => return,
    };
    assert_eq!(whole, wanted, "not what a parser says");
});
