//! Hooks of a stream, on its thread.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use crate::abi::{StreamPtr, body_status, headers_status, trailers_status};
use crate::plugin::{Blind, Configuration};
use crate::stream::{Fate, Stream};

use super::{Mine, no_filter, on_stream, trip};

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_on_http_filter_new(
    configuration: *const Configuration,
    _stream: StreamPtr,
) -> Mine {
    // SAFETY: as above.
    let Some(Configuration { plugin, .. }) = (unsafe { configuration.as_ref() }) else {
        return no_filter();
    };
    let made = catch_unwind(AssertUnwindSafe(|| {
        trip::on_config("new");
        Rc::new(Stream::new(plugin.clone()))
    }));
    made.map_or_else(
        |_| {
            plugin.panicked(Blind::New);
            no_filter()
        },
        Rc::into_raw,
    )
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_on_http_filter_destroy(mine: Mine) {
    if mine != no_filter() {
        // SAFETY: `new` made it, and Envoy lets go of it once.
        let shared = unsafe { Rc::from_raw(mine) };
        let ran = catch_unwind(AssertUnwindSafe(|| {
            trip::on_config("destroy");
            shared.end(None);
        }));
        if ran.is_err() {
            shared.plugin().panicked(Blind::Destroy);
        }
        let _ = catch_unwind(AssertUnwindSafe(|| drop(shared)));
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_on_http_filter_request_headers(
    stream: StreamPtr,
    mine: Mine,
    _is_last: bool,
) -> u32 {
    let failed = (headers_status::STOP, Fate::Answered);
    // SAFETY: as above.
    unsafe {
        on_stream("request_headers", stream, mine, failed, |shared, hook| {
            shared.on_request_headers(hook)
        })
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_on_http_filter_request_body(
    stream: StreamPtr,
    mine: Mine,
    _is_last: bool,
) -> u32 {
    let failed = (body_status::STOP_AND_BUFFER, Fate::Answered);
    // SAFETY: as above.
    unsafe {
        on_stream("request_body", stream, mine, failed, |shared, hook| shared.on_request_body(hook))
    }
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_http_filter_request_trailers(
    _stream: StreamPtr,
    _mine: Mine,
) -> u32 {
    trailers_status::CONTINUE
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_on_http_filter_response_headers(
    stream: StreamPtr,
    mine: Mine,
    is_last: bool,
) -> u32 {
    let failed = (headers_status::STOP, Fate::Answered);
    // SAFETY: as above.
    unsafe {
        on_stream("response_headers", stream, mine, failed, |shared, hook| {
            shared.on_response_headers(hook, is_last)
        })
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_on_http_filter_response_body(
    stream: StreamPtr,
    mine: Mine,
    _is_last: bool,
) -> u32 {
    let failed = (body_status::STOP_AND_BUFFER, Fate::BrokenOff);
    // SAFETY: as above.
    unsafe {
        on_stream("response_body", stream, mine, failed, |shared, hook| {
            shared.on_response_body(hook)
        })
    }
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_http_filter_response_trailers(
    _stream: StreamPtr,
    _mine: Mine,
) -> u32 {
    trailers_status::CONTINUE
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_on_http_filter_stream_complete(
    stream: StreamPtr,
    mine: Mine,
) {
    // SAFETY: as above.
    unsafe {
        on_stream("stream_complete", stream, mine, ((), Fate::Over), |shared, hook| {
            shared.end(Some(hook))
        });
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_on_http_filter_scheduled(
    stream: StreamPtr,
    mine: Mine,
    _event: u64,
) {
    // SAFETY: as above.
    unsafe {
        on_stream("scheduled", stream, mine, ((), Fate::Answered), |shared, hook| {
            shared.on_scheduled(hook)
        });
    }
}
