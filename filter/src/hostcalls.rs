//! The host calls whose outcome depends on where an exchange stands.
//!
//! The SDK has them too, but panics on every status that it does not expect, and so ends the VM
//! with all exchanges in it: the map of a response that broke off, a request that Envoy has
//! meanwhile answered by itself. Here that is `None`, or no effect. Header values are bytes, and
//! all headers come as the one block in which the host packs them.

use std::ptr;

use podpin::http::Packed;
use proxy_wasm::types::{BufferType, MapType, Status, StreamType};

#[link(wasm_import_module = "env")]
unsafe extern "C" {
    fn proxy_get_header_map_pairs(
        map: MapType,
        return_data: *mut *mut u8,
        return_size: *mut usize,
    ) -> Status;
    fn proxy_get_header_map_value(
        map: MapType,
        key: *const u8,
        key_size: usize,
        return_data: *mut *mut u8,
        return_size: *mut usize,
    ) -> Status;
    fn proxy_replace_header_map_value(
        map: MapType,
        key: *const u8,
        key_size: usize,
        value: *const u8,
        value_size: usize,
    ) -> Status;
    fn proxy_remove_header_map_value(map: MapType, key: *const u8, key_size: usize) -> Status;
    fn proxy_get_buffer_bytes(
        buffer: BufferType,
        start: usize,
        max_size: usize,
        return_data: *mut *mut u8,
        return_size: *mut usize,
    ) -> Status;
    fn proxy_set_buffer_bytes(
        buffer: BufferType,
        start: usize,
        size: usize,
        data: *const u8,
        data_size: usize,
    ) -> Status;
    fn proxy_get_property(
        path: *const u8,
        path_size: usize,
        return_data: *mut *mut u8,
        return_size: *mut usize,
    ) -> Status;
    fn proxy_set_property(
        path: *const u8,
        path_size: usize,
        value: *const u8,
        value_size: usize,
    ) -> Status;
    fn proxy_send_local_response(
        status: u32,
        details: *const u8,
        details_size: usize,
        body: *const u8,
        body_size: usize,
        headers: *const u8,
        headers_size: usize,
        grpc_status: i32,
    ) -> Status;
    fn proxy_continue_stream(stream: StreamType) -> Status;
    fn proxy_close_stream(stream: StreamType) -> Status;
}

// SAFETY of all calls below: every pointer is to live data of the length that goes with it, or to
// a live local that the host fills before it returns.

/// All headers of `map`; none if there is no such map now.
pub(crate) fn headers(map: MapType) -> Packed {
    let block = given(|data, size| unsafe { proxy_get_header_map_pairs(map, data, size) });
    Packed::new(block.unwrap_or_default())
}

/// The first header of `map` that is called `name`.
pub(crate) fn header(map: MapType, name: &str) -> Option<Vec<u8>> {
    given(|data, size| unsafe {
        proxy_get_header_map_value(map, name.as_ptr(), name.len(), data, size)
    })
}

/// Sets a header to one value, whatever there was. Also makes Envoy choose the route anew if it is
/// a request's.
pub(crate) fn set_header(map: MapType, name: &str, value: &[u8]) {
    unsafe {
        proxy_replace_header_map_value(map, name.as_ptr(), name.len(), value.as_ptr(), value.len());
    }
}

/// Removes every header called `name`.
pub(crate) fn remove_header(map: MapType, name: &str) {
    unsafe { proxy_remove_header_map_value(map, name.as_ptr(), name.len()) };
}

/// Up to `size` bytes of `buffer`.
pub(crate) fn buffer(buffer: BufferType, size: usize) -> Option<Vec<u8>> {
    given(|data, given| unsafe { proxy_get_buffer_bytes(buffer, 0, size, data, given) })
}

/// Puts `bytes` in the place of all that is in `buffer`.
pub(crate) fn set_buffer(buffer: BufferType, bytes: &[u8]) {
    unsafe { proxy_set_buffer_bytes(buffer, 0, usize::MAX, bytes.as_ptr(), bytes.len()) };
}

/// A property, its path joined by NUL.
pub(crate) fn property(path: &str) -> Option<Vec<u8>> {
    given(|data, size| unsafe { proxy_get_property(path.as_ptr(), path.len(), data, size) })
}

/// Sets a property of the module's own.
pub(crate) fn set_property(name: &str, value: &str) {
    unsafe { proxy_set_property(name.as_ptr(), name.len(), value.as_ptr(), value.len()) };
}

/// Answers the request at hand.
pub(crate) fn reply(status: u16, details: &str, headers: &Packed, body: &[u8]) {
    let (headers, no_grpc_status) = (headers.block(), -1);
    unsafe {
        proxy_send_local_response(
            status.into(),
            details.as_ptr(),
            details.len(),
            body.as_ptr(),
            body.len(),
            headers.as_ptr(),
            headers.len(),
            no_grpc_status,
        );
    }
}

/// Lets go on what was paused.
pub(crate) fn resume(stream: StreamType) {
    unsafe { proxy_continue_stream(stream) };
}

/// Breaks the exchange at hand off.
pub(crate) fn close() {
    unsafe { proxy_close_stream(StreamType::HttpResponse) };
}

/// What the host gives; `None` unless it says that all is well.
fn given(call: impl FnOnce(*mut *mut u8, *mut usize) -> Status) -> Option<Vec<u8>> {
    let mut data: *mut u8 = ptr::null_mut();
    let mut size = 0;
    if !matches!(call(&raw mut data, &raw mut size), Status::Ok) {
        return None;
    }
    if data.is_null() {
        return Some(Vec::new());
    }
    // SAFETY: proxy-wasm ABI 0.2.1: the host got `data` from this module's
    // `proxy_on_memory_allocate`, which makes a `Vec` of exactly `size` bytes, filled it, and
    // leaves it to the module.
    Some(unsafe { Vec::from_raw_parts(data, size, size) })
}
