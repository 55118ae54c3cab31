//! What Envoy calls. Each of these makes Envoy's pointers safe to use, keeps what they point to alive while
//! it runs, and lets no panic through: that would be the end of Envoy.

#![allow(unsafe_code)]

use std::ffi::c_char;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::rc::Rc;

use podpin::host::CallResponse;
use podpin::http::{HeaderMap, status};

use crate::abi::{Buf, ConfigPtr, Field, StreamPtr, body_status, headers_status, trailers_status};
use crate::envoy::{self, Fields, Hook, Main, SentId};
use crate::logger;
use crate::plugin::{Blind, Configuration};
use crate::stream::{self, Fate, Stream};

/// Its pointer is what Envoy has of a stream: one share of an `Rc<Stream>`.
type Mine = *const Stream;

/// So much of the response to a callout is read, in bytes. A Redis answers with a record, a pod with
/// an answer to `ping`: some hundred bytes.
const CALL_RESPONSE_BYTES: usize = 64 * 1024;

/// What Envoy has of a stream for which there is no filter, since making it panicked. Not null: Envoy 1.39
/// would let the request wait without end.
static NO_FILTER: u8 = 0;

fn no_filter() -> Mine {
    ptr::from_ref(&NO_FILTER).cast()
}

// SAFETY of all hooks: Envoy calls them as its ABI says: with the pointers that it was given for these
// very objects, while those live, and on one thread at a time.

/// Runs a hook of a stream. If it panics, the exchange fails, and `failed` is what Envoy gets.
///
/// # Safety
///
/// The pointers are those that Envoy gave to the hook that runs.
unsafe fn on_stream<T: Copy>(
    name: &str,
    stream: StreamPtr,
    mine: Mine,
    (failed, fate): (T, Fate),
    run: impl FnOnce(&Stream, &mut Hook<'_>) -> T,
) -> T {
    if mine == no_filter() {
        // SAFETY: as the caller says.
        let mut hook = unsafe { Hook::new(stream) };
        if fate == Fate::Answered {
            let refuse = AssertUnwindSafe(|| stream::refuse(&mut hook));
            let _ = catch_unwind(refuse);
        }
        return failed;
    }
    // SAFETY: Envoy's share is there, as the caller says. This one outlives what Envoy may do in between.
    let (shared, mut hook) = unsafe {
        Rc::increment_strong_count(mine);
        (Rc::from_raw(mine), Hook::new(stream))
    };
    let ran = catch_unwind(AssertUnwindSafe(|| {
        trip::on_stream(&shared, &mut hook, name);
        run(&shared, &mut hook)
    }));
    ran.unwrap_or_else(|_| {
        let failing = AssertUnwindSafe(|| shared.fail(&mut hook, name, fate));
        // Then there is nothing left to do.
        let _ = catch_unwind(failing);
        failed
    })
}

/// Runs a hook of a configuration, likewise.
///
/// # Safety
///
/// As above.
unsafe fn on_config(
    name: &str,
    config: ConfigPtr,
    mine: *const Configuration,
    run: impl FnOnce(&Configuration, &Main<'_>),
) {
    // SAFETY: as the caller says.
    let (Some(configuration), main) = (unsafe { (mine.as_ref(), Main::new(config)) }) else {
        return;
    };
    let ran = catch_unwind(AssertUnwindSafe(|| {
        trip::on_config(name);
        run(configuration, &main);
    }));
    if ran.is_err() {
        let failing = AssertUnwindSafe(|| configuration.panicked(&main, name));
        let _ = catch_unwind(failing);
    }
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_program_init() -> *const c_char {
    let version = catch_unwind(|| {
        logger::start();
        envoy::abi_version().as_ptr()
    });
    version.unwrap_or(ptr::null())
}

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

/// What tests ask for: panics, and what no exchange does so far.
mod trip {
    use crate::envoy::Hook;
    use crate::stream::Stream;

    #[cfg(feature = "trip")]
    pub(super) fn on_stream(stream: &Stream, hook: &mut Hook<'_>, name: &str) {
        let asked = hook.header(crate::envoy::Map::Request, "x-trip");
        assert_ne!(asked, Some(name.as_bytes()), "asked to");
        if asked == Some(b"gauge") {
            stream.set_gauge(hook);
        }
    }

    #[cfg(feature = "trip")]
    pub(super) fn on_config(name: &str) {
        let asked = std::env::var("PODPIN_TRIP");
        assert_ne!(asked.as_deref(), Ok(name), "asked to");
    }

    #[cfg(not(feature = "trip"))]
    pub(super) fn on_stream(_: &Stream, _: &mut Hook<'_>, _: &str) {}

    #[cfg(not(feature = "trip"))]
    pub(super) fn on_config(_: &str) {}
}
