//! A host that costs next to nothing, so that what is counted is the core.

use std::cell::Cell;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use podpin::host::{
    CallId, Callout, Direction, Host, Overtaken, Refused, SharedData, Source, Version,
};
use podpin::http::{Edit, HeaderMap, Packed};
use podpin::pods::Ordinal;
use podpin::session::Timestamp;
use podpin::telemetry::{Decision, Gauge, Metric, Note};

/// A proxy with one exchange at a time.
#[derive(Default)]
pub(crate) struct CheapHost {
    shared: HashMap<String, (Vec<u8>, Version), BuildHasherDefault<LastBytes>>,
    writes: u32,
    pub(crate) now: Timestamp,
    random: u64,
    /// The exchange's.
    pub(crate) request: Packed,
    pub(crate) response: Packed,
    pub(crate) status: u16,
    pub(crate) body: &'static str,
    /// What was decided about it last.
    pub(crate) decision: Option<Decision>,
    /// The last session id that was put into the response, while none is there.
    pub(crate) session_id: Option<String>,
    /// How often it was called. In Envoy each call leaves the VM and comes back.
    calls: Cell<u64>,
}

/// Hashes a key by its last eight bytes, where the keys of the core differ.
#[derive(Default)]
struct LastBytes(u64);

impl Hasher for LastBytes {
    fn write(&mut self, bytes: &[u8]) {
        if let Some(last) = bytes.last_chunk() {
            self.0 = u64::from_le_bytes(*last).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        }
    }

    fn finish(&self) -> u64 {
        self.0 ^ self.0 >> 32
    }
}

impl CheapHost {
    /// A proxy with room in its shared data, which would else grow while a benchmark runs.
    pub(crate) fn new() -> Self {
        let mut host = Self { now: Timestamp(1_750_000_000_000), ..Self::default() };
        host.shared.reserve(4096);
        host
    }

    /// The address that every response comes from.
    pub(crate) const POD: &str = "10.0.0.7:8080";

    pub(crate) fn calls(&self) -> u64 {
        self.calls.get()
    }

    fn called(&self) {
        self.calls.set(self.calls.get() + 1);
    }
}

impl SharedData for CheapHost {
    fn shared(&self, key: &str) -> Option<(Vec<u8>, Version)> {
        self.called();
        self.shared.get(key).cloned()
    }

    fn replace(
        &mut self,
        key: &str,
        value: &[u8],
        expected: Option<Version>,
    ) -> Result<(), Overtaken> {
        self.called();
        if self.shared.get(key).map(|(_, version)| *version) != expected {
            return Err(Overtaken);
        }
        self.writes += 1;
        self.shared.insert(key.to_owned(), (value.to_vec(), Version(self.writes)));
        Ok(())
    }
}

impl Host for CheapHost {
    type Headers<'a> = Packed;

    /// In a block of its own, as a proxy gives them to a module.
    fn request_headers(&self) -> Packed {
        self.called();
        self.request.clone()
    }

    fn response_headers(&self) -> Packed {
        self.called();
        self.response.clone()
    }

    fn response_status(&self) -> u16 {
        self.called();
        self.status
    }

    fn response_header(&self, name: &str) -> Option<Vec<u8>> {
        self.called();
        self.response.get(name).map(<[u8]>::to_vec)
    }

    fn body(&self, _: Direction, size: usize) -> Vec<u8> {
        self.called();
        self.body.as_bytes().get(..size).unwrap_or_default().to_vec()
    }

    fn replace_body(&mut self, _: &[u8]) {
        self.called();
    }

    fn edit(&mut self, direction: Direction, edit: &Edit) -> Result<(), Refused> {
        self.called();
        if let (Direction::Response, None, Edit::Set(_, value)) =
            (direction, &self.session_id, edit)
        {
            self.session_id = String::from_utf8(value.clone()).ok();
        }
        Ok(())
    }

    fn annotate(&mut self, _: Note, _: &str) {
        self.called();
    }

    fn noted(&self, _: Note) -> Option<Vec<u8>> {
        self.called();
        None
    }

    fn property(&self, _: &[String]) -> Option<Vec<u8>> {
        self.called();
        None
    }

    fn call(&mut self, _: &Callout) -> Result<CallId, Refused> {
        self.called();
        Err(Refused)
    }

    fn response_source(&self) -> Source {
        self.called();
        Source::Pod
    }

    fn upstream_address(&self) -> Option<Vec<u8>> {
        self.called();
        Some(Self::POD.into())
    }

    fn upstream_cluster(&self) -> Option<String> {
        self.called();
        None
    }

    fn now(&self) -> Timestamp {
        self.called();
        self.now
    }

    /// Knuth's generator: the same numbers in each run.
    fn random(&mut self) -> Option<u64> {
        self.called();
        self.random = self
            .random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        Some(self.random)
    }

    fn count(&mut self, metric: Metric) {
        self.called();
        if let Metric::Decided(decision) = metric {
            self.decision = Some(decision);
        }
    }

    fn set(&mut self, _: Gauge, _: u64) {
        self.called();
    }

    fn set_sessions(&mut self, _: Ordinal, _: u64) {
        self.called();
    }
}
