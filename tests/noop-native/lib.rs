//! What a dynamic module costs that decides nothing: Envoy calls it as it calls Podpin, and each hook
//! returns at once. If its configuration names a mode of Podpin, the calls of that into Envoy are made too,
//! for the pod or endpoint that the client itself names.

use std::ffi::{CStr, c_char, c_void};
use std::ptr;
use std::slice;

/// Bytes of either side.
#[repr(C)]
#[derive(Clone, Copy)]
struct Buf {
    data: *const u8,
    size: usize,
}

/// A header field.
#[repr(C)]
#[derive(Clone, Copy)]
struct Field {
    name: Buf,
    value: Buf,
}

type Envoys = *mut c_void;

const REQUEST: u32 = 0;
const RESPONSE: u32 = 2;
/// The attribute `upstream.address`.
const UPSTREAM_ADDRESS: u32 = 41;
/// All hooks of messages mean the same by it.
const CONTINUE: u32 = 0;

/// The header by which a client returns the endpoint that a response named.
const ENDPOINT: &str = "x-podpin-endpoint";
const SCOPE: &str = "default/myserver";

unsafe extern "C" {
    #[link_name = "envoy_dynamic_module_callback_http_get_headers_size"]
    fn headers_size(stream: Envoys, map: u32) -> usize;
    #[link_name = "envoy_dynamic_module_callback_http_get_headers"]
    fn headers(stream: Envoys, map: u32, fields: *mut Field) -> bool;
    #[link_name = "envoy_dynamic_module_callback_http_get_header"]
    fn header(
        stream: Envoys,
        map: u32,
        name: Buf,
        value: *mut Buf,
        index: usize,
        count: *mut usize,
    ) -> bool;
    #[link_name = "envoy_dynamic_module_callback_http_set_header"]
    fn set_header(stream: Envoys, map: u32, name: Buf, value: Buf) -> bool;
    #[link_name = "envoy_dynamic_module_callback_http_clear_route_cache"]
    fn clear_route_cache(stream: Envoys);
    #[link_name = "envoy_dynamic_module_callback_http_set_upstream_override_host"]
    fn set_upstream_override_host(stream: Envoys, host: Buf, strict: bool) -> bool;
    #[link_name = "envoy_dynamic_module_callback_http_set_filter_state_bytes"]
    fn set_filter_state(stream: Envoys, key: Buf, value: Buf) -> bool;
    #[link_name = "envoy_dynamic_module_callback_http_filter_get_attribute_string"]
    fn attribute(stream: Envoys, attribute: u32, value: *mut Buf) -> bool;
    #[link_name = "envoy_dynamic_module_callback_http_filter_config_define_counter"]
    fn define_counter(
        config: Envoys,
        name: Buf,
        labels: *const Buf,
        count: usize,
        id: *mut usize,
    ) -> u32;
    #[link_name = "envoy_dynamic_module_callback_http_filter_increment_counter"]
    fn increment_counter(
        stream: Envoys,
        id: usize,
        labels: *const Buf,
        count: usize,
        value: u64,
    ) -> u32;
}

/// The mode whose calls are made.
#[derive(Clone, Copy, PartialEq)]
enum Calls {
    None,
    Authority,
    Endpoint,
}

struct Config {
    calls: Calls,
    counter: usize,
}

struct Stream {
    config: &'static Config,
    is_steered: bool,
}

fn of(text: &(impl AsRef<[u8]> + ?Sized)) -> Buf {
    let bytes = text.as_ref();
    Buf { data: bytes.as_ptr(), size: bytes.len() }
}

// SAFETY of all that follows: Envoy's ABI says what each pointer is, and for how long.

impl Buf {
    unsafe fn bytes<'a>(self) -> &'a [u8] {
        if self.size == 0 { &[] } else { unsafe { slice::from_raw_parts(self.data, self.size) } }
    }
}

impl Stream {
    /// Tells Envoy all that Podpin tells it for a call of a session. `None` if this is none.
    unsafe fn on_request(&self, stream: Envoys) -> Option<()> {
        let fields = unsafe { fields_of(stream) };
        let named = |name: &str| fields.iter().find(|field| field.0 == name.as_bytes());
        named("mcp-session-id")?;
        let pod = match self.config.calls {
            Calls::None => return None,
            Calls::Authority => {
                let authority = named(":authority")?.1.to_vec();
                let set = |name, value: &[u8]| unsafe {
                    set_header(stream, REQUEST, of(name), of(value))
                };
                set("x-forwarded-host", b"mcp.example");
                set(":authority", &authority);
                b"myserver-0".to_vec()
            }
            Calls::Endpoint => {
                let endpoint = named(ENDPOINT)?.1.to_vec();
                unsafe { set_upstream_override_host(stream, of(&endpoint), true) };
                endpoint
            }
        };
        for (note, value) in [("decision", &b"steered"[..]), ("pod", &pod)] {
            let key = format!("podpin.{SCOPE}.{note}");
            unsafe { set_filter_state(stream, of(&key), of(value)) };
        }
        unsafe {
            increment_counter(stream, self.config.counter, &of(SCOPE), 1, 1);
            clear_route_cache(stream);
        }
        Some(())
    }

    unsafe fn on_response(&self, stream: Envoys) {
        let (mut value, mut count) = (of(""), 0);
        unsafe { header(stream, RESPONSE, of(":status"), &mut value, 0, &mut count) };
        if self.config.calls == Calls::Endpoint {
            unsafe { attribute(stream, UPSTREAM_ADDRESS, &mut value) };
            // Podpin removes it from every response.
            let none = Buf { data: ptr::null(), size: 0 };
            let value = if self.is_steered { none } else { value };
            unsafe { set_header(stream, RESPONSE, of(ENDPOINT), value) };
        }
    }
}

unsafe fn fields_of<'a>(stream: Envoys) -> Vec<(&'a [u8], &'a [u8])> {
    let count = unsafe { headers_size(stream, REQUEST) };
    let mut fields = vec![Field { name: of(""), value: of("") }; count];
    unsafe { headers(stream, REQUEST, fields.as_mut_ptr()) };
    fields.iter().map(|field| unsafe { (field.name.bytes(), field.value.bytes()) }).collect()
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_program_init() -> *const c_char {
    const VERSION: &CStr = c"v0.2.0";
    VERSION.as_ptr()
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_on_http_filter_config_new(
    config: Envoys,
    _name: Buf,
    words: Buf,
) -> *const Config {
    let calls = match unsafe { words.bytes() } {
        b"\"authority\"" => Calls::Authority,
        b"\"endpoint\"" => Calls::Endpoint,
        _ => Calls::None,
    };
    let mut counter = 0;
    let name = of("noop_requests_total");
    let refused = unsafe { define_counter(config, name, &of("scope"), 1, &mut counter) };
    match refused {
        0 => Box::leak(Box::new(Config { calls, counter })),
        _ => ptr::null(),
    }
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_http_filter_config_destroy(_config: *const Config) {}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_on_http_filter_new(
    config: *const Config,
    _stream: Envoys,
) -> *mut Stream {
    Box::into_raw(Box::new(Stream { config: unsafe { &*config }, is_steered: false }))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_on_http_filter_destroy(mine: *mut Stream) {
    drop(unsafe { Box::from_raw(mine) });
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_on_http_filter_request_headers(
    stream: Envoys,
    mine: *mut Stream,
    _is_last: bool,
) -> u32 {
    let mine = unsafe { &mut *mine };
    if mine.config.calls != Calls::None {
        mine.is_steered = unsafe { mine.on_request(stream) }.is_some();
    }
    CONTINUE
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_on_http_filter_response_headers(
    stream: Envoys,
    mine: *mut Stream,
    _is_last: bool,
) -> u32 {
    let mine = unsafe { &*mine };
    if mine.config.calls != Calls::None {
        unsafe { mine.on_response(stream) };
    }
    CONTINUE
}

/// Hooks that Envoy wants to be there.
macro_rules! unused {
    ($($name:ident($($of:ty),*) $(-> $result:ident)?;)*) => {
        $(
            #[unsafe(no_mangle)]
            extern "C" fn $name($(_: $of),*) $(-> $result)? { $(<$result>::default())? }
        )*
    };
}

unused! {
    envoy_dynamic_module_on_http_filter_request_body(Envoys, *mut Stream, bool) -> u32;
    envoy_dynamic_module_on_http_filter_request_trailers(Envoys, *mut Stream) -> u32;
    envoy_dynamic_module_on_http_filter_response_body(Envoys, *mut Stream, bool) -> u32;
    envoy_dynamic_module_on_http_filter_response_trailers(Envoys, *mut Stream) -> u32;
    envoy_dynamic_module_on_http_filter_stream_complete(Envoys, *mut Stream);
    envoy_dynamic_module_on_http_filter_scheduled(Envoys, *mut Stream, u64);
    envoy_dynamic_module_on_http_filter_config_scheduled(Envoys, *const Config, u64);
    envoy_dynamic_module_on_http_filter_config_http_callout_done(
        Envoys, *const Config, u64, u32, *const Field, usize, *const Buf, usize);
    envoy_dynamic_module_on_http_filter_http_callout_done(
        Envoys, *mut Stream, u64, u32, *const Field, usize, *const Buf, usize);
    envoy_dynamic_module_on_http_filter_http_stream_headers(
        Envoys, *mut Stream, u64, *const Field, usize, bool);
    envoy_dynamic_module_on_http_filter_http_stream_data(
        Envoys, *mut Stream, u64, *const Buf, usize, bool);
    envoy_dynamic_module_on_http_filter_http_stream_trailers(
        Envoys, *mut Stream, u64, *const Field, usize);
    envoy_dynamic_module_on_http_filter_http_stream_complete(Envoys, *mut Stream, u64);
    envoy_dynamic_module_on_http_filter_http_stream_reset(Envoys, *mut Stream, u64, u32);
    envoy_dynamic_module_on_http_filter_downstream_above_write_buffer_high_watermark(
        Envoys, *mut Stream);
    envoy_dynamic_module_on_http_filter_downstream_below_write_buffer_low_watermark(
        Envoys, *mut Stream);
}
