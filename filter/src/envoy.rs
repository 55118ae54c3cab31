//! [`Host`] by proxy-wasm host calls.
//!
//! The SDK's own calls are made where no exchange matters to their outcome, those of
//! [`crate::hostcalls`] elsewhere.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::UNIX_EPOCH;

use podpin::host::{
    CallId, Callout, Direction, Host, Overtaken, Refused, SharedData, Source, Version,
};
use podpin::http::{self, Edit, Packed, Reply};
use podpin::pods::Ordinal;
use podpin::session::{Scope, Timestamp};
use podpin::telemetry::{Gauge, Metric, Note, name_in, sessions_name_in};
use proxy_wasm::hostcalls as sdk;
use proxy_wasm::types::{BufferType, MapType, MetricType, Status};

use crate::callouts::Callouts;
use crate::hostcalls;
use crate::source::source_of;

/// No key has this version: Envoy counts them up from 1, over all keys together, and four billion
/// writes to one key between two looks at it do not happen. Since a write that expects another
/// version fails if the key exists, and only then, expecting this one creates a key or fails.
const NEVER: u32 = u32::MAX;

/// The proxy around this module, as one of its contexts sees it.
#[derive(Clone)]
pub(crate) struct Envoy {
    context: u32,
    callouts: Rc<Callouts>,
    /// Envoy's ids of the counters, in the order of [`Metric::all`].
    metrics: Rc<[u32]>,
    /// Those of the gauges, in the order of [`Gauge::ALL`].
    gauges: [u32; Gauge::ALL.len()],
    /// Those of the gauges of sessions, by ordinal, as far as they are defined.
    sessions: Rc<RefCell<BTreeMap<Ordinal, u32>>>,
    scope: Rc<Scope>,
    /// The names of the notes, in the order of [`Note::ALL`].
    notes: Rc<Vec<String>>,
}

impl Envoy {
    pub(crate) fn new(root: u32, callouts: Rc<Callouts>, scope: &Scope) -> Result<Self, Status> {
        // Envoy's stats have no labels but what `stats_tags` of its bootstrap cut out of names.
        let define = |kind, name: &str| sdk::define_metric(kind, &name_in(scope, name));
        let metrics = Metric::all()
            .map(|metric| define(MetricType::Counter, &metric.name()))
            .collect::<Result<_, _>>()?;
        let mut gauges = [0; Gauge::ALL.len()];
        for (id, gauge) in gauges.iter_mut().zip(Gauge::ALL) {
            *id = define(MetricType::Gauge, gauge.name())?;
        }
        let notes = Note::ALL.map(|note| note.name(scope)).into();
        let (sessions, scope) = (Rc::default(), Rc::new(scope.clone()));
        Ok(Self {
            context: root,
            callouts,
            metrics,
            gauges,
            sessions,
            scope,
            notes: Rc::new(notes),
        })
    }

    fn name_of(&self, note: Note) -> &str {
        self.notes.get(note as usize).map(String::as_str).unwrap_or_default()
    }

    pub(crate) fn for_stream(&self, id: u32) -> Self {
        Self { context: id, ..self.clone() }
    }
}

/// The status in a map of headers; 0 if there is none.
pub(crate) fn status(map: MapType) -> u16 {
    http::status(&hostcalls::header(map, ":status").unwrap_or_default())
}

/// Answers the request at hand.
pub(crate) fn reply(reply: &Reply) {
    let (headers, body) = (reply.headers().collect(), reply.body.as_bytes());
    hostcalls::reply(reply.status, &reply.details, &headers, body);
}

impl SharedData for Envoy {
    fn shared(&self, key: &str) -> Option<(Vec<u8>, Version)> {
        let (value, version) = sdk::get_shared_data(key).ok()?;
        Some((value.unwrap_or_default(), Version(version?)))
    }

    fn replace(
        &mut self,
        key: &str,
        value: &[u8],
        expected: Option<Version>,
    ) -> Result<(), Overtaken> {
        let Version(expected) = expected.unwrap_or(Version(NEVER));
        sdk::set_shared_data(key, Some(value), Some(expected)).map_err(|_| Overtaken)
    }
}

impl Host for Envoy {
    type Headers<'a> = Packed;

    fn request_headers(&self) -> Packed {
        hostcalls::headers(MapType::HttpRequestHeaders)
    }

    fn response_headers(&self) -> Packed {
        hostcalls::headers(MapType::HttpResponseHeaders)
    }

    fn response_status(&self) -> u16 {
        status(MapType::HttpResponseHeaders)
    }

    fn response_header(&self, name: &str) -> Option<Vec<u8>> {
        hostcalls::header(MapType::HttpResponseHeaders, name)
    }

    fn body(&self, direction: Direction, size: usize) -> Vec<u8> {
        let buffer = match direction {
            Direction::Request => BufferType::HttpRequestBody,
            Direction::Response => BufferType::HttpResponseBody,
        };
        hostcalls::buffer(buffer, size).unwrap_or_default()
    }

    fn replace_body(&mut self, bytes: &[u8]) {
        hostcalls::set_buffer(BufferType::HttpResponseBody, bytes);
    }

    fn edit(&mut self, direction: Direction, edit: &Edit) -> Result<(), Refused> {
        let map = match direction {
            Direction::Request => MapType::HttpRequestHeaders,
            Direction::Response => MapType::HttpResponseHeaders,
        };
        match edit {
            Edit::Set(name, value) => hostcalls::set_header(map, name, value),
            Edit::Remove(name) => hostcalls::remove_header(map, name),
            Edit::FilterState(key, value) => set_filter_state(key, value)?,
            // Wasm modules cannot tell Envoy that.
            Edit::Endpoint(_, name, value) => hostcalls::set_header(map, name, value),
        }
        Ok(())
    }

    fn annotate(&mut self, note: Note, value: &str) {
        hostcalls::set_property(self.name_of(note), value);
    }

    fn noted(&self, note: Note) -> Option<Vec<u8>> {
        hostcalls::property(self.name_of(note))
    }

    fn property(&self, path: &[String]) -> Option<Vec<u8>> {
        hostcalls::property(&path.join("\0"))
    }

    fn call(&mut self, callout: &Callout) -> Result<CallId, Refused> {
        self.callouts.call(callout, self.context)
    }

    fn response_source(&self) -> Source {
        source_of(&hostcalls::property("response\0code_details").unwrap_or_default())
    }

    fn upstream_address(&self) -> Option<Vec<u8>> {
        hostcalls::property("upstream\0address")
    }

    fn upstream_cluster(&self) -> Option<String> {
        String::from_utf8(hostcalls::property("xds\0cluster_name")?).ok()
    }

    fn now(&self) -> Timestamp {
        let now = sdk::get_current_time().unwrap_or(UNIX_EPOCH);
        let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp(since.as_millis().try_into().unwrap_or(u64::MAX))
    }

    fn random(&mut self) -> Option<u64> {
        getrandom::u64().ok()
    }

    fn count(&mut self, metric: Metric) {
        if let Some(id) = self.metrics.get(metric.place()) {
            let _ = sdk::increment_metric(*id, 1);
        }
    }

    fn set(&mut self, gauge: Gauge, value: u64) {
        if let Some(id) = self.gauges.get(gauge as usize) {
            let _ = sdk::record_metric(*id, value);
        }
    }

    fn set_sessions(&mut self, pod: Ordinal, sessions: u64) {
        let define = || sdk::define_metric(MetricType::Gauge, &sessions_name_in(&self.scope, pod));
        let known = self.sessions.borrow().get(&pod).copied();
        let Some(id) = known.or_else(|| define().ok()) else { return };
        self.sessions.borrow_mut().insert(pod, id);
        let _ = sdk::record_metric(id, sessions);
    }
}

fn set_filter_state(key: &str, value: &str) -> Result<(), Refused> {
    // Envoy, "Wasm", foreign function set_envoy_filter_state: a protobuf message of path, value
    // and span; the default span is this filter chain.
    let argument = [field(1, key), field(2, value)].concat();
    match sdk::call_foreign_function("set_envoy_filter_state", Some(&argument)) {
        Ok(_) => Ok(()),
        Err(_) => Err(Refused),
    }
}

/// A protobuf field of type string.
fn field(number: u8, value: &str) -> Vec<u8> {
    let mut bytes = vec![(number << 3) | 2];
    let mut length = value.len();
    while length >= 0x80 {
        bytes.push(length as u8 | 0x80);
        length >>= 7;
    }
    bytes.push(length as u8);
    bytes.extend_from_slice(value.as_bytes());
    bytes
}
