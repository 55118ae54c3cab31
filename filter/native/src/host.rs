//! [`Host`] by Envoy's callbacks.

use std::time::{SystemTime, UNIX_EPOCH};

use podpin::config::Config;
use podpin::host::{
    CallId, Callout, Direction, Host, Overtaken, Refused, SharedData, Source, Version,
};
use podpin::http::{self, Edit};
use podpin::pods::Ordinal;
use podpin::session::Timestamp;
use podpin::steer::{Encoding, EndpointHeader, Steering};
use podpin::telemetry::{Gauge, Metric, Note};

use crate::attributes::{self, CODE_DETAILS, UPSTREAM_ADDRESS};
use crate::callouts::Callouts;
use crate::envoy::{Body, Fields, Hook, Main, Map};
use crate::metrics::Metrics;
use crate::shared::SHARED;
use crate::source::source_of;

/// What Envoy holds for one configuration.
pub(crate) struct Around {
    pub(crate) metrics: Metrics,
    pub(crate) callouts: Callouts,
    /// The names of the notes, in the order of [`Note::ALL`].
    notes: Vec<String>,
    /// Endpoints are told to Envoy itself, so no header is to be kept by other instances.
    tells_endpoints: bool,
}

/// The proxy as one hook of this module sees it.
pub(crate) struct Envoy<'a, 'h> {
    side: Side<'a, 'h>,
    around: &'a Around,
    /// What is to be done when the core has returned.
    pub(crate) wishes: Wishes,
}

/// Whose hook runs.
enum Side<'a, 'h> {
    Stream(&'a mut Hook<'h>),
    Config(&'a Main<'h>),
    /// Of a stream that is gone.
    Nobody,
}

/// What is to be done when the core has returned.
#[derive(Default)]
pub(crate) struct Wishes {
    pub(crate) callouts: Vec<(CallId, Callout)>,
    /// The request was changed, so that another route may be its.
    pub(crate) reroute: bool,
}

// === impl Around ===

impl Around {
    pub(crate) fn new(metrics: Metrics, callouts: Callouts, config: &Config) -> Self {
        let notes = Note::ALL.map(|note| note.name(&config.served.scope)).into();
        let tells_endpoints = matches!(
            &config.steering,
            Steering::Endpoint { header: EndpointHeader { encoding: Encoding::Base64, .. }, .. }
        );
        Self { metrics, callouts, notes, tells_endpoints }
    }

    fn name_of(&self, note: Note) -> &str {
        self.notes.get(note as usize).map(String::as_str).unwrap_or_default()
    }
}

// === impl Envoy ===

impl<'a, 'h> Envoy<'a, 'h> {
    pub(crate) fn on_stream(hook: &'a mut Hook<'h>, around: &'a Around) -> Self {
        Self { side: Side::Stream(hook), around, wishes: Wishes::default() }
    }

    pub(crate) fn on_main(main: &'a Main<'h>, around: &'a Around) -> Self {
        Self { side: Side::Config(main), around, wishes: Wishes::default() }
    }

    pub(crate) fn gone(around: &'a Around) -> Self {
        Self { side: Side::Nobody, around, wishes: Wishes::default() }
    }

    fn hook(&self) -> Option<&Hook<'h>> {
        match &self.side {
            Side::Stream(hook) => Some(hook),
            Side::Config(_) | Side::Nobody => None,
        }
    }

    fn hook_mut(&mut self) -> Option<&mut Hook<'h>> {
        match &mut self.side {
            Side::Stream(hook) => Some(hook),
            Side::Config(_) | Side::Nobody => None,
        }
    }
}

impl SharedData for Envoy<'_, '_> {
    fn shared(&self, key: &str) -> Option<(Vec<u8>, Version)> {
        SHARED.get(key)
    }

    fn replace(
        &mut self,
        key: &str,
        value: &[u8],
        expected: Option<Version>,
    ) -> Result<(), Overtaken> {
        SHARED.replace(key, value, expected)
    }
}

impl Host for Envoy<'_, '_> {
    type Headers<'b>
        = Fields<'b>
    where
        Self: 'b;

    fn request_headers(&self) -> Fields<'_> {
        self.hook().map_or_else(Fields::none, |hook| hook.fields(Map::Request))
    }

    fn response_headers(&self) -> Fields<'_> {
        self.hook().map_or_else(Fields::none, |hook| hook.fields(Map::Response))
    }

    fn response_status(&self) -> u16 {
        let status = self.hook().and_then(|hook| hook.header(Map::Response, ":status"));
        http::status(status.unwrap_or_default())
    }

    fn response_header(&self, name: &str) -> Option<Vec<u8>> {
        self.hook()?.header(Map::Response, name).map(<[u8]>::to_vec)
    }

    fn body(&self, direction: Direction, size: usize) -> Vec<u8> {
        let body = match direction {
            Direction::Request => Body::Request,
            Direction::Response => Body::Response,
        };
        self.hook().map(|hook| hook.body(body, size)).unwrap_or_default()
    }

    fn replace_body(&mut self, bytes: &[u8]) {
        if let Some(hook) = self.hook_mut() {
            hook.replace_body(bytes);
        }
    }

    fn edit(&mut self, direction: Direction, edit: &Edit) -> Result<(), Refused> {
        self.wishes.reroute |= direction == Direction::Request;
        let hook = self.hook_mut().ok_or(Refused)?;
        let map = match direction {
            Direction::Request => Map::Request,
            Direction::Response => Map::Response,
        };
        let is_done = match edit {
            Edit::Set(name, value) => hook.set_header(map, name, Some(value)),
            Edit::Remove(name) => hook.set_header(map, name, None),
            Edit::FilterState(key, value) => hook.set_typed_filter_state(key, value),
            Edit::Endpoint(address, ..) => hook.send_to(&address.to_string()),
        };
        if is_done { Ok(()) } else { Err(Refused) }
    }

    fn annotate(&mut self, note: Note, value: &str) {
        let around = self.around;
        if note == Note::Header && around.tells_endpoints {
            return;
        }
        if let Some(hook) = self.hook_mut() {
            hook.set_filter_state(around.name_of(note), value.as_bytes());
        }
    }

    fn noted(&self, note: Note) -> Option<Vec<u8>> {
        Some(self.hook()?.filter_state(self.around.name_of(note))?.to_vec())
    }

    fn property(&self, path: &[String]) -> Option<Vec<u8>> {
        attributes::property(self.hook()?, path).map(<[u8]>::to_vec)
    }

    fn call(&mut self, callout: &Callout) -> Result<CallId, Refused> {
        let id = self.around.callouts.name();
        self.wishes.callouts.push((id, callout.clone()));
        Ok(id)
    }

    fn response_source(&self) -> Source {
        let details = self.hook().and_then(|hook| hook.attribute(CODE_DETAILS));
        source_of(details.unwrap_or_default())
    }

    fn upstream_address(&self) -> Option<Vec<u8>> {
        self.hook()?.attribute(UPSTREAM_ADDRESS).map(<[u8]>::to_vec)
    }

    fn upstream_cluster(&self) -> Option<String> {
        String::from_utf8(self.hook()?.cluster()?.to_vec()).ok()
    }

    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp(since.as_millis().try_into().unwrap_or(u64::MAX))
    }

    fn random(&mut self) -> Option<u64> {
        getrandom::u64().ok()
    }

    fn count(&mut self, metric: Metric) {
        let Some(change) = self.around.metrics.counter(metric) else { return };
        match &mut self.side {
            Side::Stream(hook) => hook.count(change.id, &change.labels),
            Side::Config(main) => main.count(change.id, &change.labels, 1),
            Side::Nobody => {}
        }
    }

    fn set(&mut self, gauge: Gauge, value: u64) {
        let Some(change) = self.around.metrics.gauge(gauge) else { return };
        match &mut self.side {
            Side::Stream(hook) => hook.set_gauge(change.id, &change.labels, value),
            Side::Config(main) => main.set_gauge(change.id, &change.labels, value),
            Side::Nobody => {}
        }
    }

    fn set_sessions(&mut self, pod: Ordinal, sessions: u64) {
        let pod = Metrics::pod(pod);
        let change = self.around.metrics.sessions(&pod);
        match &mut self.side {
            Side::Stream(hook) => hook.set_gauge(change.id, &change.labels, sessions),
            Side::Config(main) => main.set_gauge(change.id, &change.labels, sessions),
            Side::Nobody => {}
        }
    }
}
