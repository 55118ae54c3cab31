//! What can be asked of a stream.

use std::marker::PhantomData;
use std::ptr;

use crate::abi::{self, Buf, StreamPtr};

use super::{Body, Fields, Map, MetricId, Scheduler, field, joined, of, view};

/// A stream, while one of its hooks runs.
pub(crate) struct Hook<'h> {
    stream: StreamPtr,
    /// Neither outlives the hook nor leaves its thread.
    _hook: PhantomData<(&'h mut (), *mut ())>,
}

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
        // SAFETY: they live until something is changed.
        unsafe { Fields::of(fields) }
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
        unsafe { Scheduler::new(self.stream) }
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
