//! What a filter costs that decides nothing: Envoy calls it as it calls Podpin, since the SDK exports
//! every callback, and each returns at once, or makes those calls into Envoy that its configuration
//! names: some of the words of [`Calls::of`].

use podpin::http::{HeaderMap, Packed};
use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType, MapType, MetricType, Status};

/// As many values of shared data as Podpin has with its default `store.capacity`, and as large as those
/// of a few sessions.
const VALUES: u64 = 6144;
const VALUE: [u8; 100] = [7; 100];

const SESSION_ID: &str = "mcp-session-id";

/// The header by which Envoy's filter `stateful_session` chooses an endpoint.
const ENDPOINT: &str = "x-podpin-endpoint";

proxy_wasm::main! {{
    proxy_wasm::set_root_context(|_| Box::new(Root::default()));
}}

#[derive(Default)]
struct Root {
    calls: Calls,
}

/// The calls into Envoy that are made.
#[derive(Clone, Copy, Default)]
struct Calls {
    reads_headers: bool,
    looks_up: bool,
    /// The session id of the request is replaced, and that of the response looked for.
    unseals: bool,
    steer: Option<Steer>,
    notes: bool,
    reads_status: bool,
    /// The counter, if one is counted.
    counter: Option<u32>,
}

/// What leads a request to its pod.
#[derive(Clone, Copy)]
enum Steer {
    Authority,
    DynamicHost,
    Endpoint,
}

impl Calls {
    fn of(words: &str) -> Self {
        let is_named = |wanted| words.split(['"', ' ']).any(|word| word == wanted);
        let define = || hostcalls::define_metric(MetricType::Counter, "noop_requests_total").ok();
        Self {
            reads_headers: is_named("headers"),
            looks_up: is_named("look-up"),
            unseals: is_named("unseal"),
            steer: match () {
                () if is_named("authority") => Some(Steer::Authority),
                () if is_named("dynamic_host") => Some(Steer::DynamicHost),
                () if is_named("endpoint") => Some(Steer::Endpoint),
                () => None,
            },
            notes: is_named("notes"),
            reads_status: is_named("status"),
            counter: is_named("counter").then(define).flatten(),
        }
    }
}

impl Context for Root {}

impl RootContext for Root {
    fn on_configure(&mut self, _: usize) -> bool {
        let words = self.get_plugin_configuration().unwrap_or_default();
        // Podpin's own is an object, and names none.
        if words.first() == Some(&b'"') {
            self.calls = Calls::of(&String::from_utf8_lossy(&words));
        }
        if self.calls.looks_up {
            for number in 0..VALUES {
                let _ = hostcalls::set_shared_data(&key(number), Some(&VALUE), None);
            }
        }
        true
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }

    fn create_http_context(&self, _: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Stream { calls: self.calls, is_steered: false }))
    }
}

struct Stream {
    calls: Calls,
    is_steered: bool,
}

impl Context for Stream {}

impl HttpContext for Stream {
    fn on_http_request_headers(&mut self, _: usize, _: bool) -> Action {
        if self.calls.reads_headers {
            self.is_steered = self.on_headers().is_some();
        }
        Action::Continue
    }

    fn on_http_response_headers(&mut self, _: usize, _: bool) -> Action {
        let response = MapType::HttpResponseHeaders;
        if self.calls.unseals {
            let _ = hostcalls::get_map_value_bytes(response, SESSION_ID);
        }
        if self.calls.reads_status {
            let _ = hostcalls::get_map_value_bytes(response, ":status");
            if let (Some(Steer::Endpoint), true) = (self.calls.steer, self.is_steered) {
                let _ = hostcalls::set_map_value_bytes(response, ENDPOINT, None);
                let _ = hostcalls::get_property(vec!["upstream", "address"]);
            }
        }
        Action::Continue
    }
}

impl Stream {
    /// Asks Envoy what Podpin asks of it, and tells it the same. The pod is the one that the client names;
    /// `None` if it names none.
    fn on_headers(&self) -> Option<()> {
        let calls = &self.calls;
        let headers = headers_of(MapType::HttpRequestHeaders)?;
        if let (true, Some(session)) = (calls.looks_up, headers.get(SESSION_ID)) {
            let _ = hostcalls::get_current_time();
            let _ = hostcalls::get_shared_data(&key(hash(session) % VALUES));
        }
        if calls.unseals {
            let _ = hostcalls::get_current_time();
        }
        if let Some(steer) = calls.steer {
            steer.steer(&headers)?;
        }
        if let (true, Some(session)) = (calls.unseals, headers.get(SESSION_ID)) {
            let request = MapType::HttpRequestHeaders;
            let _ = hostcalls::set_map_value_bytes(request, SESSION_ID, Some(session));
        }
        if calls.notes {
            note("podpin.default/myserver.pod", "myserver-0");
            note("podpin.default/myserver.decision", "steered");
            if !matches!(calls.steer, Some(Steer::Authority)) {
                note("podpin.header", "x-podpin-host");
            }
        }
        if let Some(counter) = calls.counter {
            let _ = hostcalls::increment_metric(counter, 1);
        }
        Some(())
    }
}

impl Steer {
    fn steer(self, headers: &Packed) -> Option<()> {
        let set = |name, value| {
            hostcalls::set_map_value_bytes(MapType::HttpRequestHeaders, name, Some(value)).ok()
        };
        let authority = headers.get(":authority")?;
        match self {
            Self::Authority => {
                set("x-forwarded-host", b"mcp.example")?;
                set(":authority", authority)
            }
            Self::DynamicHost => {
                let (host, port) = std::str::from_utf8(authority).ok()?.rsplit_once(':')?;
                set_filter_state("envoy.upstream.dynamic_host", host)?;
                set_filter_state("envoy.upstream.dynamic_port", port)?;
                set("x-podpin-host", authority)
            }
            Self::Endpoint => set(ENDPOINT, headers.get(ENDPOINT)?),
        }
    }
}

fn note(name: &str, value: &str) {
    let _ = hostcalls::set_property(vec![name], Some(value.as_bytes()));
}

/// A message of two strings, each of which is shorter than 128 bytes.
fn set_filter_state(key: &str, value: &str) -> Option<()> {
    let field =
        |number: u8, text: &str| [&[(number << 3) | 2, text.len() as u8], text.as_bytes()].concat();
    let message = [field(1, key), field(2, value)].concat();
    hostcalls::call_foreign_function("set_envoy_filter_state", Some(&message)).ok()?;
    Some(())
}

/// As Podpin has them, in the block in which Envoy packs them.
fn headers_of(map: MapType) -> Option<Packed> {
    #[link(wasm_import_module = "env")]
    unsafe extern "C" {
        fn proxy_get_header_map_pairs(
            map: MapType,
            return_data: *mut *mut u8,
            return_size: *mut usize,
        ) -> Status;
    }
    let (mut data, mut size) = (std::ptr::null_mut(), 0);
    // SAFETY: both are to live locals that the host fills before it returns.
    let status = unsafe { proxy_get_header_map_pairs(map, &mut data, &mut size) };
    if status != Status::Ok || data.is_null() {
        return None;
    }
    // SAFETY: the SDK's allocator gave the host this block, of which all bytes were written.
    Some(Packed::new(unsafe { Vec::from_raw_parts(data, size, size) }))
}

/// As long as Podpin's.
fn key(number: u64) -> String {
    format!("noop/0123456789/{number:x}")
}

/// FNV-1a.
fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
