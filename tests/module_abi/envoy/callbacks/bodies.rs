//! Bodies, in pieces.

use std::cell::RefMut;

use super::super::abi::{self, Buf, Ours};
use super::super::stream::{Phase, Stream};

/// What arrived of a body, if this is the hook that it is for.
fn body(stream: &Stream, body: u32) -> Option<RefMut<'_, Vec<u8>>> {
    let is_there = match stream.running.get() {
        Some(Phase::RequestBody) => body == abi::REQUEST,
        Some(Phase::ResponseBody) => body == abi::RESPONSE,
        _ => false,
    };
    is_there.then(|| RefMut::map(stream.record.borrow_mut(), |record| &mut record.body))
}

/// In pieces as small as this.
const PIECE: usize = 5;

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_callback_http_get_body_size(
    stream: Ours,
    kind: u32,
) -> usize {
    let stream = unsafe { Stream::at(stream) };
    body(&stream, kind).map_or(0, |body| body.len())
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_callback_http_get_body_chunks_size(
    stream: Ours,
    kind: u32,
) -> usize {
    let stream = unsafe { Stream::at(stream) };
    body(&stream, kind).map_or(0, |body| body.len().div_ceil(PIECE))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_callback_http_get_body_chunks(
    stream: Ours,
    kind: u32,
    chunks: *mut Buf,
) -> bool {
    let stream = unsafe { Stream::at(stream) };
    let Some(body) = body(&stream, kind) else { return false };
    for (place, piece) in body.chunks(PIECE).enumerate() {
        unsafe { chunks.add(place).write(stream.view(piece)) };
    }
    true
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_callback_http_drain_body(
    stream: Ours,
    kind: u32,
    size: usize,
) -> bool {
    let stream = unsafe { Stream::at(stream) };
    stream.end_views();
    let Some(mut body) = body(&stream, kind) else { return false };
    let size = size.min(body.len());
    body.drain(..size);
    true
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_callback_http_append_body(
    stream: Ours,
    kind: u32,
    bytes: Buf,
) -> bool {
    let (stream, bytes) = unsafe { (Stream::at(stream), bytes.bytes()) };
    stream.end_views();
    if kind == abi::BUFFERED_RESPONSE {
        assert_eq!(stream.running.get(), Some(Phase::Response), "a response without a body");
        stream.added.borrow_mut().extend(bytes);
        return true;
    }
    let Some(mut body) = body(&stream, kind) else { return false };
    body.extend(bytes);
    true
}
