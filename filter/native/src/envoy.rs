//! Envoy's callbacks, safe to call.
//!
//! What Envoy hands over lives until the hook ends or until something is changed. So a [`Hook`] gives
//! views for as long as it is borrowed, and whatever changes anything borrows it mutably. Calls by which
//! Envoy calls back take it by value or say so: none may be made while the filter is borrowed.

#![allow(unsafe_code)]

use std::ffi::CStr;
use std::marker::PhantomData;
use std::{ptr, slice};

use podpin::http::{HeaderMap, Packed};

use crate::abi::{self, Buf, ConfigPtr, ConfigSchedulerPtr, Field, SchedulerPtr, StreamPtr};

/// A stream, while one of its hooks runs.
pub(crate) struct Hook<'h> {
    stream: StreamPtr,
    /// Neither outlives the hook nor leaves its thread.
    _hook: PhantomData<(&'h mut (), *mut ())>,
}

/// A configuration, while one of its hooks runs, on the main thread.
pub(crate) struct Main<'h> {
    config: ConfigPtr,
    _hook: PhantomData<(&'h mut (), *mut ())>,
}

/// The headers of a message.
pub(crate) enum Map {
    Request,
    Response,
}

/// Of a body: what just arrived.
#[derive(Clone, Copy)]
pub(crate) enum Body {
    Request,
    Response,
}

/// All headers of a message, in place.
pub(crate) struct Fields<'a> {
    fields: Vec<Field>,
    _of: PhantomData<&'a ()>,
}

/// Brings events to the thread of a stream, for as long as there is that stream.
pub(crate) struct Scheduler(SchedulerPtr);

/// Brings events of a configuration to the main thread, for as long as there is that configuration.
pub(crate) struct ConfigScheduler(ConfigSchedulerPtr);

/// A metric as Envoy knows it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MetricId(usize);

/// How an HTTP request that a configuration makes is named.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) struct SentId(pub(crate) u64);

/// A request of a configuration's own.
pub(crate) struct Request<'a> {
    pub(crate) cluster: &'a str,
    pub(crate) fields: &'a [(&'a str, &'a [u8])],
    pub(crate) body: &'a [u8],
    pub(crate) milliseconds: u64,
}

// SAFETY of all calls below, unless they say more: the pointers are those that Envoy gave to the hook that
// runs, and every buffer is alive for the call, which is all that Envoy asks of what a module passes.

// === impl Hook ===

impl Hook<'_> {
    /// # Safety
    ///
    /// `stream` is what Envoy gave to the hook that runs, and this is gone when it ends.
    pub(crate) unsafe fn new(stream: StreamPtr) -> Self {
        Self { stream, _hook: PhantomData }
    }

    /// All headers of a message; none if there is no such message now.
    pub(crate) fn fields(&self, map: Map) -> Fields<'_> {
        let map = map.number();
        let count = unsafe { abi::http_get_headers_size(self.stream, map) };
        let mut fields = Vec::with_capacity(count);
        // SAFETY: Envoy writes as many as it has just said, if it says true.
        unsafe {
            if count > 0 && abi::http_get_headers(self.stream, map, fields.as_mut_ptr()) {
                fields.set_len(count);
            }
        }
        Fields { fields, _of: PhantomData }
    }

    /// The first header of this name.
    pub(crate) fn header(&self, map: Map, name: &str) -> Option<&[u8]> {
        let (map, mut count) = (map.number(), 0);
        self.given(|value| unsafe {
            abi::http_get_header(self.stream, map, of(name), value, 0, &raw mut count)
        })
    }

    /// Sets a header to one value, whatever there was; none removes it.
    pub(crate) fn set_header(&mut self, map: Map, name: &str, value: Option<&[u8]>) -> bool {
        let value = value.map_or(Buf { data: ptr::null(), size: 0 }, of);
        unsafe { abi::http_set_header(self.stream, map.number(), of(name), value) }
    }

    /// How much of a body just arrived.
    pub(crate) fn body_size(&self, body: Body) -> usize {
        unsafe { abi::http_get_body_size(self.stream, body.number()) }
    }

    /// The first bytes of what just arrived of a body.
    pub(crate) fn body(&self, body: Body, size: usize) -> Vec<u8> {
        let body = body.number();
        let count = unsafe { abi::http_get_body_chunks_size(self.stream, body) };
        let mut chunks = Vec::with_capacity(count);
        // SAFETY: as for headers. The chunks live until the body is changed.
        unsafe {
            if count > 0 && abi::http_get_body_chunks(self.stream, body, chunks.as_mut_ptr()) {
                chunks.set_len(count);
            }
            joined(&chunks, size)
        }
    }

    /// Puts `bytes` in the place of what just arrived of the response's body.
    pub(crate) fn replace_body(&mut self, bytes: &[u8]) {
        let body = Body::Response.number();
        let size = self.body_size(Body::Response);
        unsafe {
            abi::http_drain_body(self.stream, body, size);
            if !bytes.is_empty() {
                abi::http_append_body(self.stream, body, of(bytes));
            }
        }
    }

    /// Gives a response a body that has none.
    pub(crate) fn add_body(&mut self, bytes: &[u8]) -> bool {
        unsafe { abi::http_append_body(self.stream, abi::body::BUFFERED_RESPONSE, of(bytes)) }
    }

    /// Has the route be chosen anew.
    pub(crate) fn clear_route_cache(&mut self) {
        unsafe { abi::http_clear_route_cache(self.stream) };
    }

    /// Sends the request to this endpoint of its cluster, `ip:port`, and to no other.
    pub(crate) fn send_to(&mut self, endpoint: &str) -> bool {
        unsafe { abi::http_set_upstream_override_host(self.stream, of(endpoint), true) }
    }

    pub(crate) fn set_filter_state(&mut self, key: &str, value: &[u8]) -> bool {
        unsafe { abi::http_set_filter_state_bytes(self.stream, of(key), of(value)) }
    }

    pub(crate) fn filter_state(&self, key: &str) -> Option<&[u8]> {
        self.given(|value| unsafe { abi::http_get_filter_state_bytes(self.stream, of(key), value) })
    }

    /// Sets filter state of a type that Envoy knows by its key.
    pub(crate) fn set_typed_filter_state(&mut self, key: &str, value: &str) -> bool {
        unsafe { abi::http_set_filter_state_typed(self.stream, of(key), of(value)) }
    }

    /// A string in the dynamic metadata.
    pub(crate) fn metadata(&self, namespace: &str, key: &str) -> Option<&[u8]> {
        let source = abi::metadata::DYNAMIC;
        self.given(|value| unsafe {
            abi::http_get_metadata_string(self.stream, source, of(namespace), of(key), value)
        })
    }

    /// An attribute that is a string, by its number.
    pub(crate) fn attribute(&self, number: u32) -> Option<&[u8]> {
        self.given(|value| unsafe {
            abi::http_filter_get_attribute_string(self.stream, number, value)
        })
    }

    /// The cluster of the route.
    pub(crate) fn cluster(&self) -> Option<&[u8]> {
        self.given(|name| unsafe { abi::http_get_cluster_name(self.stream, name) })
    }

    pub(crate) fn count(&mut self, MetricId(id): MetricId, labels: &[&str]) {
        let labels: Vec<_> = labels.iter().map(of).collect();
        unsafe {
            abi::http_filter_increment_counter(self.stream, id, labels.as_ptr(), labels.len(), 1);
        }
    }

    pub(crate) fn set_gauge(&mut self, MetricId(id): MetricId, labels: &[&str], value: u64) {
        let labels: Vec<_> = labels.iter().map(of).collect();
        unsafe {
            abi::http_filter_set_gauge(self.stream, id, labels.as_ptr(), labels.len(), value);
        }
    }

    pub(crate) fn scheduler(&self) -> Scheduler {
        Scheduler(unsafe { abi::http_filter_scheduler_new(self.stream) })
    }

    /// Answers the request. Envoy calls other hooks of the stream meanwhile, up to its end.
    pub(crate) fn send_response(
        &mut self,
        status: u16,
        fields: &[(&str, &[u8])],
        body: &[u8],
        details: &str,
    ) {
        let fields: Vec<_> = fields.iter().map(field).collect();
        unsafe {
            abi::http_send_response(
                self.stream,
                status.into(),
                fields.as_ptr(),
                fields.len(),
                of(body),
                of(details),
            );
        }
    }

    /// Breaks the stream off. Envoy calls other hooks of the stream meanwhile, up to its end.
    pub(crate) fn reset(&mut self, details: &str) {
        unsafe { abi::http_filter_reset_stream(self.stream, abi::LOCAL_RESET, of(details)) };
    }

    /// Lets the request go on. Envoy calls other hooks of the stream meanwhile, up to its end.
    pub(crate) fn continue_request(&mut self) {
        unsafe { abi::http_filter_continue_decoding(self.stream) };
    }

    /// The same with the response.
    pub(crate) fn continue_response(&mut self) {
        unsafe { abi::http_filter_continue_encoding(self.stream) };
    }

    /// What Envoy gives, if it says that it does.
    fn given(&self, call: impl FnOnce(*mut Buf) -> bool) -> Option<&[u8]> {
        let mut value = Buf { data: ptr::null(), size: 0 };
        // SAFETY: Envoy's buffers live until something is changed, and so while `self` is borrowed.
        call(&raw mut value).then(|| unsafe { view(value) })
    }
}

// === impl Main ===

impl Main<'_> {
    /// # Safety
    ///
    /// As [`Hook::new`]'s, for hooks of a configuration on the main thread.
    pub(crate) unsafe fn new(config: ConfigPtr) -> Self {
        Self { config, _hook: PhantomData }
    }

    /// Only while the configuration is new, as the next.
    pub(crate) fn define_counter(&self, name: &str, labels: &[&str]) -> Option<MetricId> {
        let (labels, mut id) = (labels.iter().map(of).collect::<Vec<_>>(), 0);
        let (data, count) = (labels.as_ptr(), labels.len());
        let refused = unsafe {
            abi::http_filter_config_define_counter(self.config, of(name), data, count, &raw mut id)
        };
        (refused == 0).then_some(MetricId(id))
    }

    pub(crate) fn define_gauge(&self, name: &str, labels: &[&str]) -> Option<MetricId> {
        let (labels, mut id) = (labels.iter().map(of).collect::<Vec<_>>(), 0);
        let (data, count) = (labels.as_ptr(), labels.len());
        let refused = unsafe {
            abi::http_filter_config_define_gauge(self.config, of(name), data, count, &raw mut id)
        };
        (refused == 0).then_some(MetricId(id))
    }

    pub(crate) fn count(&self, MetricId(id): MetricId, labels: &[&str], value: u64) {
        let labels: Vec<_> = labels.iter().map(of).collect();
        let (data, count) = (labels.as_ptr(), labels.len());
        unsafe {
            abi::http_filter_config_increment_counter(self.config, id, data, count, value);
        }
    }

    pub(crate) fn set_gauge(&self, MetricId(id): MetricId, labels: &[&str], value: u64) {
        let labels: Vec<_> = labels.iter().map(of).collect();
        let (data, count) = (labels.as_ptr(), labels.len());
        unsafe { abi::http_filter_config_set_gauge(self.config, id, data, count, value) };
    }

    pub(crate) fn scheduler(&self) -> ConfigScheduler {
        ConfigScheduler(unsafe { abi::http_filter_config_scheduler_new(self.config) })
    }

    /// Sends a request. Its response comes by a hook, perhaps before this returns; `None` if it cannot be
    /// sent.
    pub(crate) fn send(&self, request: &Request<'_>) -> Option<SentId> {
        let fields: Vec<_> = request.fields.iter().map(field).collect();
        let mut id = 0;
        let refused = unsafe {
            abi::http_filter_config_http_callout(
                self.config,
                &raw mut id,
                of(request.cluster),
                fields.as_ptr(),
                fields.len(),
                of(request.body),
                request.milliseconds,
            )
        };
        (refused == 0).then_some(SentId(id))
    }
}

// === impl Scheduler ===

// SAFETY: Envoy lets any thread use and delete schedulers.
unsafe impl Send for Scheduler {}
unsafe impl Sync for Scheduler {}

impl Scheduler {
    pub(crate) fn commit(&self, event: u64) {
        unsafe { abi::http_filter_scheduler_commit(self.0, event) };
    }
}

impl Drop for Scheduler {
    fn drop(&mut self) {
        unsafe { abi::http_filter_scheduler_delete(self.0) };
    }
}

// SAFETY: as above.
unsafe impl Send for ConfigScheduler {}
unsafe impl Sync for ConfigScheduler {}

impl ConfigScheduler {
    pub(crate) fn commit(&self, event: u64) {
        unsafe { abi::http_filter_config_scheduler_commit(self.0, event) };
    }
}

impl Drop for ConfigScheduler {
    fn drop(&mut self) {
        unsafe { abi::http_filter_config_scheduler_delete(self.0) };
    }
}

// === impl Fields ===

impl Fields<'_> {
    pub(crate) fn none() -> Self {
        Self { fields: Vec::new(), _of: PhantomData }
    }

    /// # Safety
    ///
    /// They live as long as this.
    pub(crate) unsafe fn new(data: *const Field, count: usize) -> Self {
        // SAFETY: as the caller says.
        let fields = if count == 0 { &[] } else { unsafe { slice::from_raw_parts(data, count) } };
        Self { fields: fields.to_vec(), _of: PhantomData }
    }
}

impl HeaderMap for Fields<'_> {
    fn fields(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        // SAFETY: they live as long as this.
        self.fields.iter().map(|field| unsafe { (view(field.name), view(field.value)) })
    }

    fn keep(self) -> Packed {
        // At once what collecting does in many steps.
        let size = |field: &Field| field.name.size + field.value.size + 2;
        let head = 4 + 8 * self.fields.len();
        let mut block = Vec::with_capacity(head + self.fields.iter().map(size).sum::<usize>());
        block.extend_from_slice(&(self.fields.len() as u32).to_le_bytes());
        for field in &self.fields {
            block.extend_from_slice(&(field.name.size as u32).to_le_bytes());
            block.extend_from_slice(&(field.value.size as u32).to_le_bytes());
        }
        for (name, value) in self.fields() {
            for part in [name, value] {
                block.extend_from_slice(part);
                block.push(0);
            }
        }
        Packed::new(block)
    }
}

impl Map {
    fn number(self) -> u32 {
        match self {
            Self::Request => abi::map::REQUEST,
            Self::Response => abi::map::RESPONSE,
        }
    }
}

impl Body {
    fn number(self) -> u32 {
        match self {
            Self::Request => abi::body::RECEIVED_REQUEST,
            Self::Response => abi::body::RECEIVED_RESPONSE,
        }
    }
}

/// Writes a line to Envoy's log, from any thread.
pub(crate) fn log(level: u32, line: &str) {
    unsafe { abi::log(level, of(line)) };
}

/// Whether Envoy's log takes lines of this level.
pub(crate) fn is_logged(level: u32) -> bool {
    unsafe { abi::log_enabled(level) }
}

/// Whether this process only judges a configuration. On the main thread.
pub(crate) fn is_validating() -> bool {
    unsafe { abi::is_validation_mode() }
}

/// The version of the ABI that the Envoy around this module wants to hear; it warns of any other. What is
/// used here all of them have.
pub(crate) fn abi_version() -> &'static CStr {
    match abi::optional(abi::SINCE_40) {
        Some(_) => c"v0.2.0",
        None => c"v0.1.0",
    }
}

/// The first bytes of what lies in pieces.
///
/// # Safety
///
/// The pieces are alive.
pub(crate) unsafe fn joined(pieces: &[Buf], size: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    for piece in pieces {
        let left = size - bytes.len();
        // SAFETY: as the caller says.
        let piece = unsafe { view(*piece) };
        bytes.extend_from_slice(piece.get(..left).unwrap_or(piece));
        if bytes.len() == size {
            break;
        }
    }
    bytes
}

/// # Safety
///
/// The bytes live for `'a`.
pub(crate) unsafe fn view<'a>(Buf { data, size }: Buf) -> &'a [u8] {
    // SAFETY: as the caller says; Envoy's null is empty.
    if data.is_null() { &[] } else { unsafe { slice::from_raw_parts(data, size) } }
}

fn of(bytes: &(impl AsRef<[u8]> + ?Sized)) -> Buf {
    let bytes = bytes.as_ref();
    Buf { data: bytes.as_ptr(), size: bytes.len() }
}

fn field(&(name, value): &(&str, &[u8])) -> Field {
    Field { name: of(name), value: of(value) }
}
