//! Hooks of a configuration, all on the main thread.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;

use podpin::host::CallResponse;
use podpin::http::{HeaderMap, status};

use crate::abi::{Buf, ConfigPtr, Field};
use crate::envoy::{self, Fields, Main, SentId};
use crate::plugin::Configuration;

use super::{on_config, trip};

/// So much of the response to a callout is read, in bytes. A Redis answers with a record, a pod with
/// an answer to `ping`: some hundred bytes.
const CALL_RESPONSE_BYTES: usize = 64 * 1024;

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_on_http_filter_config_new(
    config: ConfigPtr,
    _name: Buf,
    text: Buf,
) -> *const Configuration {
    let taken = catch_unwind(|| {
        trip::on_config("config_new");
        // SAFETY: as above.
        let (main, text) = unsafe { (Main::new(config), envoy::view(text)) };
        Configuration::take(&main, text)
    });
    match taken {
        Ok(Some(configuration)) => Box::into_raw(Box::new(configuration)),
        Ok(None) | Err(_) => ptr::null(),
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_on_http_filter_config_destroy(mine: *mut Configuration) {
    if !mine.is_null() {
        // SAFETY: `config_new` made it, and Envoy lets go of it once.
        let configuration = unsafe { Box::from_raw(mine) };
        let _ = catch_unwind(AssertUnwindSafe(move || {
            trip::on_config("config_destroy");
            drop(configuration);
        }));
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_on_http_filter_config_scheduled(
    config: ConfigPtr,
    mine: *const Configuration,
    event: u64,
) {
    // SAFETY: as above.
    unsafe {
        on_config("config_scheduled", config, mine, |configuration, main| {
            configuration.on_event(main, event);
        });
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_on_http_filter_config_http_callout_done(
    config: ConfigPtr,
    mine: *const Configuration,
    id: u64,
    result: u32,
    fields: *const Field,
    count: usize,
    chunks: *const Buf,
    chunk_count: usize,
) {
    // SAFETY: as above.
    unsafe {
        on_config("config_http_callout_done", config, mine, |configuration, main| {
            let response = match result {
                0 => response(fields, count, chunks, chunk_count),
                _ => CallResponse { status: 0, is_from_server: false, body: Vec::new() },
            };
            configuration.plugin.on_response(main, SentId(id), &response);
        });
    }
}

/// # Safety
///
/// As above.
unsafe fn response(
    fields: *const Field,
    count: usize,
    chunks: *const Buf,
    chunk_count: usize,
) -> CallResponse {
    // SAFETY: as the caller says.
    let (fields, body) = unsafe {
        let chunks = match chunk_count {
            0 => &[],
            _ => std::slice::from_raw_parts(chunks, chunk_count),
        };
        (Fields::new(fields, count), envoy::joined(chunks, CALL_RESPONSE_BYTES))
    };
    let status = fields.get(":status").map(status).unwrap_or_default();
    // What Envoy says in a server's place lacks the header that it adds to what servers say (Envoy, "HTTP
    // header manipulation").
    let is_from_server = match status {
        0 => false,
        503 | 504 => fields.get("x-envoy-upstream-service-time").is_some(),
        _ => true,
    };
    CallResponse { status, is_from_server, body }
}
