//! A host of proxy-wasm ABI 0.2.1 in this process: it defines the `proxy_*` functions that the
//! filter imports and calls the `proxy_on_*` functions that the SDK exports. So the whole module
//! runs as it does in Envoy, the SDK included, without wasm.
//!
//! A thread is a worker: the SDK keeps its contexts by thread, and so does this host. It is as
//! strict as Envoy about what may be read when.

mod imports;

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kit::model::{Engine, Pairs, ProxyRecord, Step, StreamRecord};
use podpin::host::{CallResponse, Callout, Cause};
use proxy_wasm::types::Action;
use serde_json::Value;

// The exports of the module under test.
extern crate podpin_filter;
unsafe extern "C" {
    fn _initialize();
    fn proxy_on_context_create(context: u32, root: u32);
    fn proxy_on_vm_start(root: u32, size: usize) -> bool;
    fn proxy_on_configure(root: u32, size: usize) -> bool;
    fn proxy_on_tick(root: u32);
    fn proxy_on_request_headers(context: u32, count: usize, last: bool) -> Action;
    fn proxy_on_request_body(context: u32, size: usize, last: bool) -> Action;
    fn proxy_on_response_headers(context: u32, count: usize, last: bool) -> Action;
    fn proxy_on_response_body(context: u32, size: usize, last: bool) -> Action;
    fn proxy_on_done(context: u32) -> bool;
    fn proxy_on_http_call_response(
        context: u32,
        call: u32,
        headers: usize,
        body: usize,
        trailers: usize,
    );
    fn proxy_on_log(context: u32);
    fn proxy_on_delete(context: u32);
}

const ROOT: u32 = 1;

thread_local!(static WORKER: RefCell<Worker> = RefCell::default());

/// One worker thread of the proxy.
#[derive(Default)]
struct Worker {
    proxy: Arc<Mutex<ProxyRecord>>,
    plugin: Vec<u8>,
    streams: HashMap<u32, StreamRecord>,
    /// The exchange whose callback runs, or that the root acts for, and its phase.
    current: Option<(u32, Phase)>,
    /// The phase of the callback that runs.
    running: Option<Phase>,
    /// In which phase each exchange paused.
    paused: HashMap<u32, Phase>,
    /// The callout whose response is at hand.
    response: Option<CallResponse>,
    metrics: Vec<String>,
    contexts: u32,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Phase {
    Request,
    RequestBody,
    Response,
    ResponseBody,
    End,
}

/// The whole module on this thread.
pub(crate) struct Abi(());

impl Abi {
    /// Another worker of a proxy. False if the module refuses the configuration.
    pub(crate) fn worker(proxy: Arc<Mutex<ProxyRecord>>, plugin: &[u8]) -> (Self, bool) {
        // SAFETY: the functions are called as the ABI says, with contexts that were created.
        unsafe {
            _initialize();
            WORKER.with_borrow_mut(|worker| {
                assert_eq!(worker.contexts, 0, "a thread is one worker");
                worker.proxy = proxy;
                worker.plugin = plugin.to_vec();
                worker.contexts = ROOT;
            });
            proxy_on_context_create(ROOT, 0);
            let started =
                alone(|| proxy_on_vm_start(ROOT, 0) && proxy_on_configure(ROOT, plugin.len()));
            (Self(()), started)
        }
    }

    fn run(&self, stream: u32, phase: Phase, callback: impl FnOnce() -> Action) -> Step {
        WORKER.with_borrow_mut(|worker| {
            worker.current = Some((stream, phase));
            worker.running = Some(phase);
            worker.paused.remove(&stream);
        });
        let action = callback();
        WORKER.with_borrow_mut(|worker| {
            worker.current = None;
            worker.running = None;
            if matches!(action, Action::Pause) {
                worker.paused.insert(stream, phase);
            }
            let record = worker.streams.get_mut(&stream).expect("a stream that was begun");
            record.step_after(matches!(action, Action::Pause))
        })
    }

    /// Lets go of an exchange without having logged it.
    pub(crate) fn delete(&self, stream: u32) {
        self.run(stream, Phase::End, || {
            // SAFETY: the context was created before, and is not used after this.
            unsafe { proxy_on_delete(stream) };
            Action::Continue
        });
    }

    fn set(&self, stream: u32, change: impl FnOnce(&mut StreamRecord)) {
        WORKER.with_borrow_mut(|worker| {
            change(worker.streams.get_mut(&stream).expect("a stream that was begun"));
        });
    }
}

/// Runs the start of a module while no other thread does. The first to start sets the logger and
/// the panic hook of the process; the SDK counts on a process of one thread and panics if two set
/// them at once.
fn alone<T>(start: impl FnOnce() -> T) -> T {
    static STARTS: Mutex<()> = Mutex::new(());
    let _guard = STARTS.lock().expect("no start panicked");
    let started = start();
    // The SDK's hook says a panic to Envoy's log.
    drop(std::panic::take_hook());
    started
}

// SAFETY of all calls below: contexts were created before, and are not used after their deletion.
impl Engine for Abi {
    fn start(plugin: &Value) -> Self {
        let proxy = ProxyRecord { milliseconds: 1_750_000_000_000, ..ProxyRecord::default() };
        let (abi, started) = Self::worker(Arc::new(proxy.into()), plugin.to_string().as_bytes());
        assert!(started, "the module refused {plugin}");
        abi
    }

    fn request(&mut self, headers: Pairs) -> (u32, Step) {
        let count = headers.len();
        let stream = WORKER.with_borrow_mut(|worker| {
            worker.contexts += 1;
            let record = StreamRecord { request: headers, ..StreamRecord::default() };
            worker.streams.insert(worker.contexts, record);
            worker.contexts
        });
        unsafe { proxy_on_context_create(stream, ROOT) };
        let step = self.run(stream, Phase::Request, || unsafe {
            proxy_on_request_headers(stream, count, false)
        });
        (stream, step)
    }

    fn request_body(&mut self, stream: u32, bytes: &[u8], last: bool) -> Step {
        self.set(stream, |record| record.body = bytes.to_vec());
        self.run(stream, Phase::RequestBody, || unsafe {
            proxy_on_request_body(stream, bytes.len(), last)
        })
    }

    fn response_head(
        &mut self,
        stream: u32,
        headers: Pairs,
        address: &str,
        has_body: bool,
    ) -> Step {
        let count = headers.len();
        self.set(stream, |record| {
            record.response = headers;
            record.address = Some(address.to_owned());
        });
        self.run(stream, Phase::Response, || unsafe {
            proxy_on_response_headers(stream, count, !has_body)
        })
    }

    fn local_reply(&mut self, stream: u32, headers: Pairs, address: &str, cause: Cause) -> Step {
        self.set(stream, |record| record.cause = Some(cause));
        self.response_head(stream, headers, address, true)
    }

    fn response_body(&mut self, stream: u32, bytes: &[u8], last: bool) -> Step {
        self.set(stream, |record| record.body = bytes.to_vec());
        self.run(stream, Phase::ResponseBody, || unsafe {
            proxy_on_response_body(stream, bytes.len(), last)
        })
    }

    fn end(&mut self, stream: u32) {
        self.run(stream, Phase::End, || unsafe {
            proxy_on_log(stream);
            assert!(proxy_on_done(stream));
            proxy_on_delete(stream);
            Action::Continue
        });
    }

    fn step(&mut self, stream: u32) -> Step {
        WORKER.with_borrow_mut(|worker| {
            worker.streams.get_mut(&stream).expect("a stream that was begun").step()
        })
    }

    fn calls(&mut self) -> Vec<(u32, Callout)> {
        WORKER.with_borrow(|worker| std::mem::take(&mut worker.proxy.lock().unwrap().calls))
    }

    fn respond_to_call(&mut self, call: u32, response: CallResponse) {
        let size = response.body.len();
        WORKER.with_borrow_mut(|worker| worker.response = Some(response));
        unsafe { proxy_on_http_call_response(ROOT, call, 1, size, 0) };
        WORKER.with_borrow_mut(|worker| {
            worker.current = None;
            worker.response = None;
        });
    }

    fn record(&self, stream: u32) -> StreamRecord {
        WORKER.with_borrow(|worker| worker.streams[&stream].clone())
    }

    fn proxy(&self) -> ProxyRecord {
        WORKER.with_borrow(|worker| worker.proxy.lock().unwrap().clone())
    }

    fn advance(&mut self, time: Duration) {
        WORKER.with_borrow(|worker| {
            worker.proxy.lock().unwrap().milliseconds += time.as_millis() as u64;
        });
        unsafe { proxy_on_tick(ROOT) };
    }
}
