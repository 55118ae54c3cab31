//! Types of the ABI of dynamic modules, and the hooks that the module exports.

use std::ffi::{c_char, c_void};
use std::slice;

// The exports of the module under test.
extern crate podpin_native;

/// Bytes of either side.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Buf {
    pub(crate) data: *const u8,
    pub(crate) size: usize,
}

/// A header field of either side.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Field {
    pub(crate) name: Buf,
    pub(crate) value: Buf,
}

/// Envoy's side of a stream or of a configuration.
pub(crate) type Ours = *mut c_void;
/// The module's side.
pub(crate) type Mine = *const c_void;

/// What of a message: `envoy_dynamic_module_type_http_header_type` and `…_body_type`.
pub(crate) const REQUEST: u32 = 0;
pub(crate) const RESPONSE: u32 = 2;
pub(crate) const BUFFERED_RESPONSE: u32 = 3;

/// What a hook of headers gives: it goes on, or waits for a reply, or is held with all that follows.
pub(crate) const CONTINUE: u32 = 0;
pub(crate) const STOP: u32 = 1;
pub(crate) const STOP_ALL_AND_WATERMARK: u32 = 4;

unsafe extern "C" {
    pub(crate) fn envoy_dynamic_module_on_program_init() -> *const c_char;
    pub(crate) fn envoy_dynamic_module_on_http_filter_config_new(
        config: Ours,
        name: Buf,
        text: Buf,
    ) -> Mine;
    pub(crate) fn envoy_dynamic_module_on_http_filter_config_destroy(mine: Mine);
    pub(crate) fn envoy_dynamic_module_on_http_filter_config_scheduled(
        config: Ours,
        mine: Mine,
        event: u64,
    );
    pub(crate) fn envoy_dynamic_module_on_http_filter_config_http_callout_done(
        config: Ours,
        mine: Mine,
        id: u64,
        result: u32,
        fields: *const Field,
        count: usize,
        chunks: *const Buf,
        chunk_count: usize,
    );
    pub(crate) fn envoy_dynamic_module_on_http_filter_new(config: Mine, stream: Ours) -> Mine;
    pub(crate) fn envoy_dynamic_module_on_http_filter_destroy(mine: Mine);
    pub(crate) fn envoy_dynamic_module_on_http_filter_request_headers(
        stream: Ours,
        mine: Mine,
        is_last: bool,
    ) -> u32;
    pub(crate) fn envoy_dynamic_module_on_http_filter_request_body(
        stream: Ours,
        mine: Mine,
        is_last: bool,
    ) -> u32;
    pub(crate) fn envoy_dynamic_module_on_http_filter_response_headers(
        stream: Ours,
        mine: Mine,
        is_last: bool,
    ) -> u32;
    pub(crate) fn envoy_dynamic_module_on_http_filter_response_body(
        stream: Ours,
        mine: Mine,
        is_last: bool,
    ) -> u32;
    pub(crate) fn envoy_dynamic_module_on_http_filter_stream_complete(stream: Ours, mine: Mine);
    pub(crate) fn envoy_dynamic_module_on_http_filter_scheduled(
        stream: Ours,
        mine: Mine,
        event: u64,
    );
}

// === impl Buf ===

impl Buf {
    pub(crate) fn of(bytes: &(impl AsRef<[u8]> + ?Sized)) -> Self {
        let bytes = bytes.as_ref();
        Self { data: bytes.as_ptr(), size: bytes.len() }
    }

    /// # Safety
    ///
    /// What is passed lives for the call, as the ABI says.
    pub(crate) unsafe fn bytes(self) -> Vec<u8> {
        match self.data.is_null() {
            true => Vec::new(),
            false => unsafe { slice::from_raw_parts(self.data, self.size) }.to_vec(),
        }
    }

    /// # Safety
    ///
    /// As above.
    pub(crate) unsafe fn text(self) -> String {
        String::from_utf8(unsafe { self.bytes() }).expect("text")
    }
}

/// # Safety
///
/// As above.
pub(crate) unsafe fn all<'a, T>(data: *const T, count: usize) -> &'a [T] {
    if count == 0 { &[] } else { unsafe { slice::from_raw_parts(data, count) } }
}
