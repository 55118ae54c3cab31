//! A host in memory for the core alone, without any proxy-wasm.

use std::cell::{RefCell, RefMut};
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use kit::model::{Engine, Pairs, ProxyRecord, Step, StreamRecord};
use podpin::config::Config;
use podpin::filter::Filter;
use podpin::headers::Headers;
use podpin::host::{
    CallId, CallResponse, Callout, Direction, Flow, Host, Note, Overtaken, Refused, SharedData,
    Version,
};
use podpin::metrics::Metric;
use podpin::pin::Timestamp;
use podpin::plugin::Plugin;
use podpin::reply::Reply;
use serde_json::Value;

/// The core in a simulated host.
pub(crate) struct Sim {
    plugin: Rc<Plugin>,
    proxy: Rc<RefCell<ProxyRecord>>,
    streams: HashMap<u32, Running>,
    next: u32,
}

struct Running {
    filter: Filter<SimHost>,
    record: Rc<RefCell<StreamRecord>>,
}

/// What the filter sees of it, from one exchange.
#[derive(Clone, Default)]
pub(crate) struct SimHost {
    pub proxy: Rc<RefCell<ProxyRecord>>,
    pub record: Rc<RefCell<StreamRecord>>,
}

impl Sim {
    /// The proxy, to be changed.
    pub(crate) fn proxy_mut(&self) -> RefMut<'_, ProxyRecord> {
        self.proxy.borrow_mut()
    }

    fn run(&mut self, stream: u32, callback: impl FnOnce(&mut Filter<SimHost>) -> Flow) -> Step {
        let running = self.streams.get_mut(&stream).expect("a stream that was begun");
        let flow = callback(&mut running.filter);
        running.record.borrow_mut().step_after(flow != Flow::Continue)
    }
}

impl Engine for Sim {
    fn start(plugin: &Value) -> Self {
        let mut host = SimHost::default();
        host.proxy.borrow_mut().milliseconds = 1_750_000_000_000;
        let config = Config::parse(plugin.to_string().as_bytes()).expect("a right configuration");
        let plugin = Plugin::start(config, &mut host);
        Self { plugin, proxy: host.proxy, streams: HashMap::new(), next: 0 }
    }

    fn request(&mut self, headers: Pairs) -> (u32, Step) {
        self.next += 1;
        let record = StreamRecord { request: headers, ..StreamRecord::default() };
        let record = Rc::new(RefCell::new(record));
        let host = SimHost { proxy: self.proxy.clone(), record: record.clone() };
        let filter = Filter::new(self.next, self.plugin.clone(), host);
        self.streams.insert(self.next, Running { filter, record });
        (self.next, self.run(self.next, Filter::on_request_headers))
    }

    fn request_body(&mut self, stream: u32, bytes: &[u8], _: bool) -> Step {
        self.streams[&stream].record.borrow_mut().body = bytes.to_vec();
        self.run(stream, |filter| filter.on_request_body(bytes.len()))
    }

    fn response(&mut self, stream: u32, headers: Pairs, address: &str) -> Step {
        let mut record = self.streams[&stream].record.borrow_mut();
        record.response = headers;
        record.address = Some(address.to_owned());
        drop(record);
        self.run(stream, Filter::on_response_headers)
    }

    fn response_body(&mut self, stream: u32, bytes: &[u8], _: bool) -> Step {
        self.streams[&stream].record.borrow_mut().body = bytes.to_vec();
        self.run(stream, |filter| filter.on_response_body(bytes.len()))
    }

    fn end(&mut self, stream: u32) {
        self.streams.get_mut(&stream).expect("a stream that was begun").filter.on_end();
    }

    fn step(&mut self, stream: u32) -> Step {
        self.streams[&stream].record.borrow_mut().step()
    }

    fn calls(&mut self) -> Vec<(u32, Callout)> {
        std::mem::take(&mut self.proxy.borrow_mut().calls)
    }

    fn respond_to_call(&mut self, call: u32, response: CallResponse) {
        let mut root = SimHost { proxy: self.proxy.clone(), ..SimHost::default() };
        for (stream, wake) in self.plugin.on_call_response(&mut root, CallId(call), &response) {
            self.streams.get_mut(&stream).expect("a stream that was begun").filter.on_wake(wake);
        }
    }

    fn record(&self, stream: u32) -> StreamRecord {
        self.streams[&stream].record.borrow().clone()
    }

    fn proxy(&self) -> ProxyRecord {
        self.proxy.borrow().clone()
    }

    fn advance(&mut self, time: Duration) {
        self.proxy.borrow_mut().milliseconds += time.as_millis() as u64;
        self.plugin.tick(&mut SimHost { proxy: self.proxy.clone(), ..SimHost::default() });
    }
}

impl SharedData for SimHost {
    fn shared(&self, key: &str) -> Option<(Vec<u8>, Version)> {
        let proxy = self.proxy.borrow();
        proxy.shared.get(key).map(|(value, version)| (value.clone(), Version(*version)))
    }

    fn replace(
        &mut self,
        key: &str,
        value: &[u8],
        expected: Option<Version>,
    ) -> Result<(), Overtaken> {
        let version = expected.map_or(u32::MAX, |Version(version)| version);
        match self.proxy.borrow_mut().set_shared(key, value, version) {
            true => Ok(()),
            false => Err(Overtaken),
        }
    }
}

impl Host for SimHost {
    fn request_headers(&self) -> Headers {
        self.record.borrow().request.iter().map(|(name, value)| (name, value)).collect()
    }

    fn response_headers(&self) -> Headers {
        self.record.borrow().response.iter().map(|(name, value)| (name, value)).collect()
    }

    fn response_status(&self) -> u16 {
        let headers = self.response_headers();
        let status = headers.get(":status").expect("a response has a status");
        std::str::from_utf8(status).unwrap().parse().unwrap()
    }

    fn body(&self, _: Direction, size: usize) -> Vec<u8> {
        let body = self.record.borrow().body.clone();
        assert_eq!(body.len(), size);
        body
    }

    fn set_request_header(&mut self, name: &str, value: &[u8]) {
        self.remove_request_header(name);
        self.record.borrow_mut().request.push((name.to_owned(), value.to_vec()));
    }

    fn remove_request_header(&mut self, name: &str) {
        self.record.borrow_mut().request.retain(|(other, _)| other != name);
    }

    fn set_filter_state(&mut self, key: &str, value: &str) -> Result<(), Refused> {
        if self.proxy.borrow().refuses_filter_state {
            return Err(Refused);
        }
        self.record.borrow_mut().filter_state.insert(key.to_owned(), value.to_owned());
        Ok(())
    }

    fn annotate(&mut self, note: Note, value: &str) {
        let key = format!("wasm.{}", note.name());
        self.record.borrow_mut().filter_state.insert(key, value.to_owned());
    }

    fn reply(&mut self, reply: &Reply) {
        let mut headers = vec![("content-type".to_owned(), b"application/json".to_vec())];
        if let Some(seconds) = reply.retry_after {
            headers.push(("retry-after".to_owned(), seconds.to_string().into()));
        }
        self.record.borrow_mut().reply_with(reply.status, headers, reply.body.clone().into());
    }

    fn resume(&mut self, _: Direction) {
        self.record.borrow_mut().resume();
    }

    fn call(&mut self, callout: &Callout) -> Result<CallId, Refused> {
        self.proxy.borrow_mut().call(callout).map(CallId).ok_or(Refused)
    }

    fn response_is_of_pod(&self) -> bool {
        self.record.borrow().address.is_some()
    }

    fn pod_address(&self) -> Option<Vec<u8>> {
        self.record.borrow().address.clone().map(String::into_bytes)
    }

    fn now(&self) -> Timestamp {
        Timestamp(self.proxy.borrow().milliseconds)
    }

    fn random(&mut self) -> Option<u64> {
        let mut proxy = self.proxy.borrow_mut();
        (!proxy.has_no_randomness).then(|| proxy.random())
    }

    fn count(&mut self, metric: Metric) {
        *self.proxy.borrow_mut().counters.entry(metric.name()).or_default() += 1;
    }
}
