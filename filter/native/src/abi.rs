//! Envoy's ABI of dynamic modules, as far as it is used: types, and what Envoy exports for modules to call.
//!
//! It is declared by hand, and neither linker nor loader compares it with Envoy's: each of these is
//! called by a test on every Envoy that is supported, which sees its effect. The number behind each is
//! the minor of Envoy 1 that first has it. One that a supported Envoy lacks must not stand among the
//! others, for then that Envoy refuses the module: such are looked up by [`optional`].

#![allow(unsafe_code)]

use std::ffi::{CStr, c_char, c_void};

/// Bytes of either side. Null and empty are not the same to [`http_set_header`].
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Buf {
    pub(crate) data: *const u8,
    pub(crate) size: usize,
}

/// A header field of either side.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field {
    pub(crate) name: Buf,
    pub(crate) value: Buf,
}

/// Envoy's side of a stream.
pub(crate) type StreamPtr = *mut c_void;
/// Envoy's side of a configuration.
pub(crate) type ConfigPtr = *mut c_void;
/// What brings an event to the thread of a stream.
pub(crate) type SchedulerPtr = *mut c_void;
/// What brings an event of a configuration to the main thread.
pub(crate) type ConfigSchedulerPtr = *mut c_void;

/// `envoy_dynamic_module_type_http_header_type`.
pub(crate) mod map {
    pub(crate) const REQUEST: u32 = 0;
    pub(crate) const RESPONSE: u32 = 2;
}

/// `envoy_dynamic_module_type_http_body_type`: what just arrived, and what is held.
pub(crate) mod body {
    pub(crate) const RECEIVED_REQUEST: u32 = 0;
    pub(crate) const RECEIVED_RESPONSE: u32 = 2;
    pub(crate) const BUFFERED_RESPONSE: u32 = 3;
}

/// `envoy_dynamic_module_type_metadata_source`.
pub(crate) mod metadata {
    pub(crate) const DYNAMIC: u32 = 0;
}

/// `envoy_dynamic_module_type_on_http_filter_…_headers_status`.
pub(crate) mod headers_status {
    pub(crate) const CONTINUE: u32 = 0;
    pub(crate) const STOP: u32 = 1;
    pub(crate) const STOP_ALL_AND_WATERMARK: u32 = 4;
}

/// `envoy_dynamic_module_type_on_http_filter_…_body_status`.
pub(crate) mod body_status {
    pub(crate) const CONTINUE: u32 = 0;
    pub(crate) const STOP_AND_BUFFER: u32 = 1;
}

/// `envoy_dynamic_module_type_on_http_filter_…_trailers_status`.
pub(crate) mod trailers_status {
    pub(crate) const CONTINUE: u32 = 0;
}

/// `envoy_dynamic_module_type_http_filter_stream_reset_reason`.
pub(crate) const LOCAL_RESET: u32 = 0;

macro_rules! callbacks {
    ($($since:literal $symbol:literal fn $name:ident($($argument:ident: $of:ty),* $(,)?) $(-> $result:ty)?;)*) => {
        unsafe extern "C" {
            $(
                #[link_name = $symbol]
                pub(crate) fn $name($($argument: $of),*) $(-> $result)?;
            )*
        }
    };
}

callbacks! {
    36 "envoy_dynamic_module_callback_log"
    fn log(level: u32, message: Buf);

    36 "envoy_dynamic_module_callback_log_enabled"
    fn log_enabled(level: u32) -> bool;

    38 "envoy_dynamic_module_callback_is_validation_mode"
    fn is_validation_mode() -> bool;

    37 "envoy_dynamic_module_callback_http_get_headers_size"
    fn http_get_headers_size(stream: StreamPtr, map: u32) -> usize;

    37 "envoy_dynamic_module_callback_http_get_headers"
    fn http_get_headers(stream: StreamPtr, map: u32, fields: *mut Field) -> bool;

    37 "envoy_dynamic_module_callback_http_get_header"
    fn http_get_header(
        stream: StreamPtr, map: u32, name: Buf, value: *mut Buf, index: usize, count: *mut usize,
    ) -> bool;

    37 "envoy_dynamic_module_callback_http_set_header"
    fn http_set_header(stream: StreamPtr, map: u32, name: Buf, value: Buf) -> bool;

    37 "envoy_dynamic_module_callback_http_get_body_chunks_size"
    fn http_get_body_chunks_size(stream: StreamPtr, body: u32) -> usize;

    37 "envoy_dynamic_module_callback_http_get_body_chunks"
    fn http_get_body_chunks(stream: StreamPtr, body: u32, chunks: *mut Buf) -> bool;

    37 "envoy_dynamic_module_callback_http_get_body_size"
    fn http_get_body_size(stream: StreamPtr, body: u32) -> usize;

    37 "envoy_dynamic_module_callback_http_drain_body"
    fn http_drain_body(stream: StreamPtr, body: u32, size: usize) -> bool;

    37 "envoy_dynamic_module_callback_http_append_body"
    fn http_append_body(stream: StreamPtr, body: u32, bytes: Buf) -> bool;

    36 "envoy_dynamic_module_callback_http_send_response"
    fn http_send_response(
        stream: StreamPtr, status: u32, fields: *const Field, count: usize, body: Buf, details: Buf,
    );

    36 "envoy_dynamic_module_callback_http_clear_route_cache"
    fn http_clear_route_cache(stream: StreamPtr);

    38 "envoy_dynamic_module_callback_http_set_upstream_override_host"
    fn http_set_upstream_override_host(stream: StreamPtr, host: Buf, strict: bool) -> bool;

    36 "envoy_dynamic_module_callback_http_set_filter_state_bytes"
    fn http_set_filter_state_bytes(stream: StreamPtr, key: Buf, value: Buf) -> bool;

    36 "envoy_dynamic_module_callback_http_get_filter_state_bytes"
    fn http_get_filter_state_bytes(stream: StreamPtr, key: Buf, value: *mut Buf) -> bool;

    38 "envoy_dynamic_module_callback_http_set_filter_state_typed"
    fn http_set_filter_state_typed(stream: StreamPtr, key: Buf, value: Buf) -> bool;

    36 "envoy_dynamic_module_callback_http_get_metadata_string"
    fn http_get_metadata_string(
        stream: StreamPtr, source: u32, namespace: Buf, key: Buf, value: *mut Buf,
    ) -> bool;

    36 "envoy_dynamic_module_callback_http_filter_get_attribute_string"
    fn http_filter_get_attribute_string(stream: StreamPtr, attribute: u32, value: *mut Buf) -> bool;

    38 "envoy_dynamic_module_callback_http_get_cluster_name"
    fn http_get_cluster_name(stream: StreamPtr, name: *mut Buf) -> bool;

    36 "envoy_dynamic_module_callback_http_filter_continue_decoding"
    fn http_filter_continue_decoding(stream: StreamPtr);

    36 "envoy_dynamic_module_callback_http_filter_continue_encoding"
    fn http_filter_continue_encoding(stream: StreamPtr);

    38 "envoy_dynamic_module_callback_http_filter_reset_stream"
    fn http_filter_reset_stream(stream: StreamPtr, reason: u32, details: Buf);

    36 "envoy_dynamic_module_callback_http_filter_scheduler_new"
    fn http_filter_scheduler_new(stream: StreamPtr) -> SchedulerPtr;

    36 "envoy_dynamic_module_callback_http_filter_scheduler_commit"
    fn http_filter_scheduler_commit(scheduler: SchedulerPtr, event: u64);

    36 "envoy_dynamic_module_callback_http_filter_scheduler_delete"
    fn http_filter_scheduler_delete(scheduler: SchedulerPtr);

    36 "envoy_dynamic_module_callback_http_filter_increment_counter"
    fn http_filter_increment_counter(
        stream: StreamPtr, id: usize, labels: *const Buf, count: usize, value: u64,
    ) -> u32;

    36 "envoy_dynamic_module_callback_http_filter_set_gauge"
    fn http_filter_set_gauge(
        stream: StreamPtr, id: usize, labels: *const Buf, count: usize, value: u64,
    ) -> u32;

    36 "envoy_dynamic_module_callback_http_filter_config_define_counter"
    fn http_filter_config_define_counter(
        config: ConfigPtr, name: Buf, labels: *const Buf, count: usize, id: *mut usize,
    ) -> u32;

    36 "envoy_dynamic_module_callback_http_filter_config_define_gauge"
    fn http_filter_config_define_gauge(
        config: ConfigPtr, name: Buf, labels: *const Buf, count: usize, id: *mut usize,
    ) -> u32;

    39 "envoy_dynamic_module_callback_http_filter_config_increment_counter"
    fn http_filter_config_increment_counter(
        config: ConfigPtr, id: usize, labels: *const Buf, count: usize, value: u64,
    ) -> u32;

    39 "envoy_dynamic_module_callback_http_filter_config_set_gauge"
    fn http_filter_config_set_gauge(
        config: ConfigPtr, id: usize, labels: *const Buf, count: usize, value: u64,
    ) -> u32;

    37 "envoy_dynamic_module_callback_http_filter_config_scheduler_new"
    fn http_filter_config_scheduler_new(config: ConfigPtr) -> ConfigSchedulerPtr;

    37 "envoy_dynamic_module_callback_http_filter_config_scheduler_commit"
    fn http_filter_config_scheduler_commit(scheduler: ConfigSchedulerPtr, event: u64);

    37 "envoy_dynamic_module_callback_http_filter_config_scheduler_delete"
    fn http_filter_config_scheduler_delete(scheduler: ConfigSchedulerPtr);

    38 "envoy_dynamic_module_callback_http_filter_config_http_callout"
    fn http_filter_config_http_callout(
        config: ConfigPtr, id: *mut u64, cluster: Buf, fields: *const Field, count: usize, body: Buf,
        milliseconds: u64,
    ) -> u32;
}

unsafe extern "C" {
    /// Of libc.
    fn dlsym(library: *mut c_void, name: *const c_char) -> *mut c_void;
}

/// The address of a callback that not every supported Envoy has.
pub(crate) fn optional(name: &CStr) -> Option<*mut c_void> {
    let anywhere = std::ptr::null_mut();
    // SAFETY: glibc takes null for RTLD_DEFAULT, and the name is a C string.
    let found = unsafe { dlsym(anywhere, name.as_ptr()) };
    (!found.is_null()).then_some(found)
}

/// A callback that is there from Envoy 1.40 on.
pub(crate) const SINCE_40: &CStr =
    c"envoy_dynamic_module_callback_http_get_upstream_remote_address";
