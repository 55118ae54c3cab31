//! Whether a response is a JSON-RPC error: the same however it is cut up, and what a whole parser says.

#![no_main]

use fuzz::input::Input;
use fuzz::message::{Text, events};
use libfuzzer_sys::fuzz_target;
use podpin::message::{Media, ResponsePeek, RpcAnswer};

fn is_error<'a>(media: Media, pieces: impl IntoIterator<Item = &'a [u8]>) -> bool {
    let mut peek = ResponsePeek::into(media);
    let mut wanted = peek.wants();
    for piece in pieces {
        peek.read(&piece[..piece.len().min(wanted)]);
        assert!(peek.wants() <= wanted, "it wants more and more");
        wanted = peek.wants();
    }
    peek.is_error()
}

/// Whether a message is an error; `None` if it is no response.
fn outcome(text: Text) -> Option<bool> {
    let Text::Members(members) = text else { return None };
    for (name, value) in members {
        match name.as_str() {
            "error" | "result" if !value.is_null() => return Some(name == "error"),
            "method" => return None,
            _ => {}
        }
    }
    None
}

/// What the first message says that is a response. `None` if one before it is no JSON: nobody knows what
/// that is.
fn in_stream(stream: &[u8]) -> Option<bool> {
    for event in events(stream).into_iter().filter(|event| !event.data.is_empty()) {
        let data = event.data.join(&b'\n');
        if data.trim_ascii().is_empty() {
            continue;
        }
        if let Some(is_error) = outcome(Text::read(&data)?) {
            return Some(is_error);
        }
    }
    Some(false)
}

fuzz_target!(|bytes: &[u8]| {
    let mut input = Input(bytes);
    let pieces = input.pieces();
    let body = pieces.concat();
    // That it is read at all is what counts.
    let _ = RpcAnswer::read(&body);
    for media in [Media::Json, Media::EventStream, Media::Other] {
        let whole = is_error(media, [body.as_slice()]);
        assert_eq!(is_error(media, body.chunks(1)), whole, "{media:?} by single bytes");
        assert_eq!(is_error(media, pieces.iter().copied()), whole, "{media:?} in pieces");
        let wanted = match media {
            Media::Json => Text::read(&body).map(|text| outcome(text).unwrap_or(false)),
            Media::EventStream => in_stream(&body),
            Media::Other => Some(false),
        };
        if let Some(wanted) = wanted {
            assert_eq!(whole, wanted, "{media:?}, not what a parser says");
        }
    }
});
