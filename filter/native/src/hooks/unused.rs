//! Hooks of what this module does not do.

use crate::abi::{Buf, Field, StreamPtr};

use super::Mine;

/// Hooks that Envoy wants to be there, of things that this module does not do.
macro_rules! unused {
    ($($name:ident($($of:ty),*);)*) => {
        $(
            #[unsafe(no_mangle)]
            extern "C" fn $name($(_: $of),*) {}
        )*
    };
}

unused! {
    envoy_dynamic_module_on_http_filter_http_callout_done(
        StreamPtr, Mine, u64, u32, *const Field, usize, *const Buf, usize);
    envoy_dynamic_module_on_http_filter_http_stream_headers(
        StreamPtr, Mine, u64, *const Field, usize, bool);
    envoy_dynamic_module_on_http_filter_http_stream_data(
        StreamPtr, Mine, u64, *const Buf, usize, bool);
    envoy_dynamic_module_on_http_filter_http_stream_trailers(
        StreamPtr, Mine, u64, *const Field, usize);
    envoy_dynamic_module_on_http_filter_http_stream_complete(StreamPtr, Mine, u64);
    envoy_dynamic_module_on_http_filter_http_stream_reset(StreamPtr, Mine, u64, u32);
    envoy_dynamic_module_on_http_filter_downstream_above_write_buffer_high_watermark(
        StreamPtr, Mine);
    envoy_dynamic_module_on_http_filter_downstream_below_write_buffer_low_watermark(
        StreamPtr, Mine);
}
