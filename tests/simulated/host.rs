//! A host in memory for the core alone, without any proxy-wasm.

use std::cell::{RefCell, RefMut};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use podpin::config::Config;
use podpin::filter::Filter;
use podpin::host::{
    CallId, CallResponse, Callout, Cause, Direction, ExchangeId, Flow, Host, Overtaken, Refused,
    SharedData, Source, Version,
};
use podpin::http::{Edit, HeaderMap, status};
use podpin::pods::Ordinal;
use podpin::session::{Scope, Timestamp};
use podpin::telemetry::{Gauge, Metric, Note, sessions_name_in};
use podpin::worker::{Wake, Worker};
use serde_json::Value;

use crate::{Engine, PODS, Pairs, ProxyRecord, SCOPE, Step, StreamRecord, metric, no_variable};

/// When time begins, in milliseconds since the Unix epoch.
const STARTED: u64 = 1_750_000_000_000;

/// The core in a simulated host.
pub struct Sim {
    worker: Arc<Worker>,
    proxy: Rc<RefCell<ProxyRecord>>,
    streams: HashMap<u32, Running>,
    next: u32,
}

struct Running {
    filter: Filter,
    host: SimHost,
}

/// What the filter sees of it, from one exchange.
#[derive(Clone, Default)]
pub struct SimHost {
    pub proxy: Rc<RefCell<ProxyRecord>>,
    pub record: Rc<RefCell<StreamRecord>>,
}

impl Sim {
    /// The proxy, to be changed.
    pub fn proxy_mut(&self) -> RefMut<'_, ProxyRecord> {
        self.proxy.borrow_mut()
    }

    /// The filter with this configuration on one thread of a proxy.
    pub fn on(proxy: Rc<RefCell<ProxyRecord>>, config: Config) -> Self {
        let mut host = SimHost { proxy, ..SimHost::default() };
        let worker = Worker::start(config, &mut host);
        Self { worker, proxy: host.proxy, streams: HashMap::new(), next: 0 }
    }

    /// The same on another thread of this proxy.
    pub fn beside(&self, config: Config) -> Self {
        Self::on(self.proxy.clone(), config)
    }

    /// The VM dies with all that it has in memory, and another takes its place.
    pub fn dies(&mut self, plugin: &Value) {
        *self = self.beside(parsed(plugin));
    }

    /// Lets go of an exchange that is over.
    pub fn forget(&mut self, stream: u32) {
        self.streams.remove(&stream);
    }

    /// A tick comes.
    pub fn tick(&mut self) {
        let mut root = SimHost { proxy: self.proxy.clone(), ..SimHost::default() };
        let wakes = self.worker.tick(&mut root);
        self.wake(wakes);
    }

    /// What is kept of an exchange.
    pub fn record_mut(&self, stream: u32) -> RefMut<'_, StreamRecord> {
        self.streams[&stream].host.record.borrow_mut()
    }

    fn run(
        &mut self,
        stream: u32,
        callback: impl FnOnce(&mut Filter, &mut SimHost) -> Flow,
    ) -> Step {
        let Running { filter, host } = self.running(stream);
        let flow = callback(filter, host);
        let mut record = host.record.borrow_mut();
        let paused = flow != Flow::Continue;
        match flow {
            Flow::Reply(reply) => record.reply(&reply),
            Flow::Break => record.broken = true,
            Flow::Continue | Flow::Wait => {}
        }
        record.step_after(paused)
    }

    fn wake(&mut self, wakes: Vec<(ExchangeId, Wake)>) {
        for (ExchangeId(stream), wake) in wakes {
            let Running { filter, host } = self.running(stream as u32);
            let flow = filter.on_wake(host, wake);
            let mut record = host.record.borrow_mut();
            match flow {
                Some((_, Flow::Continue)) => record.resume(),
                Some((_, Flow::Reply(reply))) => record.reply(&reply),
                Some((_, Flow::Break)) => record.broken = true,
                Some((_, Flow::Wait)) | None => {}
            }
        }
    }

    fn running(&mut self, stream: u32) -> &mut Running {
        self.streams.get_mut(&stream).expect("a stream that was begun")
    }
}

impl Engine for Sim {
    fn start(plugin: &Value) -> Self {
        let proxy = ProxyRecord { milliseconds: STARTED, ..ProxyRecord::default() };
        Self::on(Rc::new(RefCell::new(proxy)), parsed(plugin))
    }

    fn request(&mut self, headers: Pairs) -> (u32, Step) {
        self.next += 1;
        let record = StreamRecord { request: headers, ..StreamRecord::default() };
        let record = Rc::new(RefCell::new(record));
        let host = SimHost { proxy: self.proxy.clone(), record };
        let filter = Filter::new(ExchangeId(self.next.into()), self.worker.clone());
        self.streams.insert(self.next, Running { filter, host });
        (self.next, self.run(self.next, Filter::on_request_headers))
    }

    fn request_body(&mut self, stream: u32, bytes: &[u8], _: bool) -> Step {
        self.record_mut(stream).body = bytes.to_vec();
        self.run(stream, |filter, host| filter.on_request_body(host, bytes.len()))
    }

    fn response_head(
        &mut self,
        stream: u32,
        headers: Pairs,
        address: &str,
        has_body: bool,
    ) -> Step {
        let mut record = self.record_mut(stream);
        record.response = headers;
        record.address = Some(address.to_owned());
        drop(record);
        self.run(stream, |filter, host| filter.on_response_headers(host, has_body))
    }

    fn local_reply(&mut self, stream: u32, headers: Pairs, address: &str, cause: Cause) -> Step {
        self.record_mut(stream).cause = Some(cause);
        self.response_head(stream, headers, address, true)
    }

    fn response_body(&mut self, stream: u32, bytes: &[u8], _: bool) -> Step {
        self.record_mut(stream).body = bytes.to_vec();
        self.run(stream, |filter, host| filter.on_response_body(host, bytes.len()))
    }

    fn end(&mut self, stream: u32) {
        let Running { filter, host } = self.running(stream);
        filter.on_end(host);
    }

    fn step(&mut self, stream: u32) -> Step {
        self.record_mut(stream).step()
    }

    fn calls(&mut self) -> Vec<(u32, Callout)> {
        std::mem::take(&mut self.proxy.borrow_mut().calls)
    }

    fn respond_to_call(&mut self, call: u32, response: CallResponse) {
        let mut root = SimHost { proxy: self.proxy.clone(), ..SimHost::default() };
        let wakes = self.worker.on_call_response(&mut root, CallId(call.into()), &response);
        self.wake(wakes);
    }

    fn record(&self, stream: u32) -> StreamRecord {
        self.record_mut(stream).clone()
    }

    fn proxy(&self) -> ProxyRecord {
        self.proxy.borrow().clone()
    }

    fn advance(&mut self, time: Duration) {
        self.proxy.borrow_mut().milliseconds += time.as_millis() as u64;
        self.tick();
    }
}

fn parsed(plugin: &Value) -> Config {
    Config::parse(plugin.to_string().as_bytes(), &no_variable).expect("a right configuration")
}

impl SharedData for SimHost {
    fn shared(&self, key: &str) -> Option<(Vec<u8>, Version)> {
        self.proxy.borrow().shared.shared(key)
    }

    fn replace(
        &mut self,
        key: &str,
        value: &[u8],
        expected: Option<Version>,
    ) -> Result<(), Overtaken> {
        self.proxy.borrow_mut().shared.replace(key, value, expected)
    }
}

impl Host for SimHost {
    type Headers<'a> = Pairs;

    fn request_headers(&self) -> Pairs {
        self.record.borrow().request.clone()
    }

    fn response_headers(&self) -> Pairs {
        self.record.borrow().response.clone()
    }

    fn response_status(&self) -> u16 {
        status(self.response_headers().get(":status").expect("a response has a status"))
    }

    fn response_header(&self, name: &str) -> Option<Vec<u8>> {
        self.response_headers().get(name).map(<[u8]>::to_vec)
    }

    fn body(&self, _: Direction, size: usize) -> Vec<u8> {
        let body = &self.record.borrow().body;
        body[..size.min(body.len())].to_vec()
    }

    fn replace_body(&mut self, bytes: &[u8]) {
        self.record.borrow_mut().body = bytes.to_vec();
    }

    fn edit(&mut self, direction: Direction, edit: &Edit) -> Result<(), Refused> {
        let mut record = self.record.borrow_mut();
        if let Edit::FilterState(key, value) = edit {
            if self.proxy.borrow().refuses_filter_state {
                return Err(Refused);
            }
            record.filter_state.insert((*key).to_owned(), value.clone());
            return Ok(());
        }
        let pairs = match direction {
            Direction::Request => &mut record.request,
            Direction::Response => &mut record.response,
        };
        let (name, value) = match edit {
            Edit::Set(name, value) => (name.as_ref(), Some(value)),
            Edit::Endpoint(_, name, value) => (name.as_str(), Some(value)),
            Edit::Remove(name) => (name.as_ref(), None),
            Edit::FilterState(..) => return Ok(()),
        };
        pairs.retain(|(other, _)| other != name);
        pairs.extend(value.map(|value| (name.to_owned(), value.clone())));
        Ok(())
    }

    fn annotate(&mut self, note: Note, value: &str) {
        let key = format!("wasm.{}", note.name(&Scope::new(SCOPE)));
        self.record.borrow_mut().filter_state.insert(key, value.to_owned());
    }

    fn noted(&self, note: Note) -> Option<Vec<u8>> {
        let key = format!("wasm.{}", note.name(&Scope::new(SCOPE)));
        self.record.borrow().filter_state.get(&key).map(|value| value.clone().into())
    }

    fn call(&mut self, callout: &Callout) -> Result<CallId, Refused> {
        self.proxy.borrow_mut().call(callout).map(|call| CallId(call.into())).ok_or(Refused)
    }

    fn response_source(&self) -> Source {
        let record = self.record.borrow();
        match (record.cause, &record.address) {
            (Some(cause), _) => Source::Proxy(cause),
            (None, Some(_)) => Source::Pod,
            (None, None) => Source::Proxy(Cause::Other),
        }
    }

    fn property(&self, _: &[String]) -> Option<Vec<u8>> {
        None
    }

    fn upstream_address(&self) -> Option<Vec<u8>> {
        self.record.borrow().address.clone().map(String::into_bytes)
    }

    fn upstream_cluster(&self) -> Option<String> {
        Some(PODS.to_owned())
    }

    fn now(&self) -> Timestamp {
        Timestamp(self.proxy.borrow().milliseconds)
    }

    fn random(&mut self) -> Option<u64> {
        let mut proxy = self.proxy.borrow_mut();
        (!proxy.has_no_randomness).then(|| proxy.random())
    }

    fn count(&mut self, counter: Metric) {
        *self.proxy.borrow_mut().counters.entry(metric(&counter.name())).or_default() += 1;
    }

    fn set(&mut self, gauge: Gauge, value: u64) {
        self.proxy.borrow_mut().gauges.insert(metric(gauge.name()), value);
    }

    fn set_sessions(&mut self, pod: Ordinal, sessions: u64) {
        let name = sessions_name_in(&Scope::new(SCOPE), pod);
        self.proxy.borrow_mut().gauges.insert(name, sessions);
    }
}
