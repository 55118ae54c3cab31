//! An Envoy of the ABI of dynamic modules in this process: it exports the callbacks that the module imports and calls
//! the hooks that the module exports. So the whole module runs as it does in Envoy.
//!
//! It calls hooks from within callbacks where Envoy does, it lets go of streams when Envoy does, and it is as strict
//! about what may be called when. The thread of a test is a worker; what is the main thread's runs on another. Time
//! passes when a test says so.

pub(crate) mod abi;
mod callbacks;
pub(crate) mod clock;
pub(crate) mod config;
pub(crate) mod stream;
mod worker;

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::{Arc, Once};
use std::time::Duration;

use kit::SCOPE;
use kit::model::{Engine, Pairs, ProxyRecord, Step, StreamRecord};
use podpin::host::{CallResponse, Callout, Cause};
use serde_json::{Value, json};

use config::{Config, Scope, on_main};
use stream::Stream;
use worker::Worker;

/// When time begins, in milliseconds since the Unix epoch.
const STARTED: u64 = 1_750_000_000_000;

/// What the module's own clock asks for.
const TICK: u64 = 0;

/// Envoy 1.`MINOR` with one configuration and one worker.
pub(crate) struct Envoy<const MINOR: u32> {
    pub(crate) config: Arc<Config>,
    pub(crate) worker: Rc<Worker>,
    records: HashMap<u32, Rc<RefCell<StreamRecord>>>,
    next: u32,
}

/// Loads the module, once for the process.
fn load() {
    static LOADED: Once = Once::new();
    LOADED.call_once(|| {
        let version = on_main(|| unsafe { !abi::envoy_dynamic_module_on_program_init().is_null() });
        assert!(version, "the module refused to be loaded");
        // The module's own says a panic to Envoy's log.
        drop(std::panic::take_hook());
    });
}

// === impl Envoy ===

impl<const MINOR: u32> Envoy<MINOR> {
    /// With this configuration; `None` if the module refuses it.
    pub(crate) fn with(mut plugin: Value) -> Option<Self> {
        load();
        clock::set(STARTED);
        let scope = Scope::of_this_test(plugin["scope"].as_str().unwrap_or(SCOPE));
        plugin["scope"] = json!(scope.own);
        let proxy = ProxyRecord { milliseconds: STARTED, ..ProxyRecord::default() };
        let config = Config::load(&plugin.to_string(), scope, proxy)?;
        let worker = Rc::new(Worker::new(MINOR));
        let mut envoy = Self { config, worker, records: HashMap::new(), next: 0 };
        envoy.settle();
        Some(envoy)
    }

    /// One more stream, no hook of which but the first was called yet.
    pub(crate) fn stream(&mut self, headers: Pairs) -> Rc<Stream> {
        self.worker.sweep();
        self.next += 1;
        let record = StreamRecord { request: headers, ..StreamRecord::default() };
        let record = Rc::new(RefCell::new(record));
        self.records.insert(self.next, record.clone());
        Stream::begin(&self.worker, self.next, &self.config, record)
    }

    /// What this thread and the main thread were asked for.
    pub(crate) fn settle(&mut self) {
        loop {
            let event = self.config.events.lock().unwrap().pop_front();
            if let Some(event) = event {
                self.config.scheduled(event);
                continue;
            }
            let wake = self.config.wakes.lock().unwrap().pop_front();
            let Some((number, event)) = wake else { return };
            if let Some(stream) = self.worker.stream(number) {
                stream.scheduled(event);
            }
        }
    }

    /// Runs a hook of a stream, and what comes of it.
    pub(crate) fn run(&mut self, stream: u32, run: impl FnOnce(&Stream) -> Step) -> Step {
        self.worker.sweep();
        let stream = self.worker.stream(stream).expect("a stream that is not over");
        let step = run(&stream);
        self.settle();
        match step {
            // It may have gone on since.
            Step::Wait => stream.record.borrow_mut().step(),
            step => step,
        }
    }
}

impl<const MINOR: u32> Engine for Envoy<MINOR> {
    fn start(plugin: &Value) -> Self {
        Self::with(plugin.clone()).expect("a right configuration")
    }

    fn request(&mut self, headers: Pairs) -> (u32, Step) {
        let number = self.stream(headers).number;
        (number, self.run(number, Stream::request_headers))
    }

    fn request_body(&mut self, stream: u32, bytes: &[u8], is_last: bool) -> Step {
        self.run(stream, |stream| stream.request_body(bytes, is_last))
    }

    fn response_head(
        &mut self,
        stream: u32,
        headers: Pairs,
        address: &str,
        has_body: bool,
    ) -> Step {
        let mut record = self.records[&stream].borrow_mut();
        record.response = headers;
        record.address = Some(address.to_owned());
        drop(record);
        self.run(stream, |stream| stream.response_headers(!has_body))
    }

    fn local_reply(&mut self, stream: u32, headers: Pairs, address: &str, cause: Cause) -> Step {
        self.records[&stream].borrow_mut().cause = Some(cause);
        self.response_head(stream, headers, address, true)
    }

    fn response_body(&mut self, stream: u32, bytes: &[u8], is_last: bool) -> Step {
        self.run(stream, |stream| {
            let step = stream.response_body(bytes, is_last);
            let ahead = stream.ahead.take();
            stream.record.borrow_mut().body.splice(..0, ahead);
            step
        })
    }

    fn end(&mut self, stream: u32) {
        self.worker.sweep();
        if let Some(stream) = self.worker.stream(stream) {
            stream.complete();
        }
        self.settle();
    }

    fn step(&mut self, stream: u32) -> Step {
        self.records[&stream].borrow_mut().step()
    }

    fn calls(&mut self) -> Vec<(u32, Callout)> {
        std::mem::take(&mut self.config.proxy.lock().unwrap().calls)
    }

    fn respond_to_call(&mut self, call: u32, response: CallResponse) {
        on_main(|| self.config.callout_done(call.into(), &response));
        self.settle();
    }

    fn record(&self, stream: u32) -> StreamRecord {
        self.records[&stream].borrow().clone()
    }

    fn proxy(&self) -> ProxyRecord {
        self.config.proxy.lock().unwrap().clone()
    }

    fn advance(&mut self, time: Duration) {
        self.worker.sweep();
        let mut proxy = self.config.proxy.lock().unwrap();
        proxy.milliseconds += time.as_millis() as u64;
        clock::set(proxy.milliseconds);
        drop(proxy);
        self.config.scheduled(TICK);
        self.settle();
    }
}

impl<const MINOR: u32> Drop for Envoy<MINOR> {
    fn drop(&mut self) {
        let streams: Vec<_> = self.worker.streams.borrow().values().cloned().collect();
        streams.iter().for_each(|stream| stream.complete());
        self.worker.sweep();
        self.config.destroy();
        self.worker.bury();
    }
}
