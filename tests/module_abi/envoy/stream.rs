//! Envoy's side of a stream, and the hooks of the module that it calls: also from within the module's own calls,
//! as Envoy does.

use std::cell::{Cell, RefCell};
use std::ptr;
use std::rc::Rc;
use std::sync::Arc;

use kit::model::{Pairs, Step, StreamRecord};
use podpin::host::Cause;

use super::abi::{self, Mine, Ours};
use super::config::Config;
use super::worker::Worker;

/// A stream. Its address is what the module gets of it.
pub(crate) struct Stream {
    pub(crate) number: u32,
    pub(crate) config: Arc<Config>,
    pub(crate) record: Rc<RefCell<StreamRecord>>,
    worker: Rc<Worker>,
    mine: Cell<Mine>,
    /// The hook that runs, the innermost.
    pub(crate) running: Cell<Option<Phase>>,
    /// In which a message is held.
    held: Cell<Option<Phase>>,
    /// The request was changed since its route was chosen.
    pub(crate) is_changed: Cell<bool>,
    /// Whether a response has begun.
    pub(crate) has_response: Cell<bool>,
    /// The body of a response that had none.
    pub(crate) added: RefCell<Vec<u8>>,
    /// What of the response's body passed while it was let go.
    pub(crate) ahead: RefCell<Vec<u8>>,
    /// What the module may see until the hook ends or until it changes something.
    views: RefCell<Vec<Box<[u8]>>>,
    /// What arrives of a message while it is held: hooks see it within the call that lets it go.
    pub(crate) waiting: RefCell<Option<(Vec<u8>, bool)>>,
    /// What Envoy answers itself, within the call that lets the request go.
    pub(crate) fails: RefCell<Option<LocalReply>>,
    /// How deep hooks were within hooks, at most.
    pub(crate) depth: Cell<u32>,
    pub(crate) deepest: Cell<u32>,
    is_over: Cell<bool>,
    is_gone: Cell<bool>,
}

/// What Envoy answers in the place of a pod.
pub(crate) struct LocalReply {
    pub(crate) headers: Pairs,
    pub(crate) cause: Cause,
}

/// A hook of a stream.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Phase {
    Request,
    RequestBody,
    Response,
    ResponseBody,
    Scheduled,
    Complete,
}

// === impl Stream ===

impl Stream {
    /// One more, for which the module has made a filter.
    pub(crate) fn begin(
        worker: &Rc<Worker>,
        number: u32,
        config: &Arc<Config>,
        record: Rc<RefCell<StreamRecord>>,
    ) -> Rc<Self> {
        let stream = Rc::new(Self {
            number,
            config: config.clone(),
            record,
            worker: worker.clone(),
            mine: Cell::new(ptr::null()),
            running: Cell::default(),
            held: Cell::default(),
            is_changed: Cell::default(),
            has_response: Cell::default(),
            added: RefCell::default(),
            ahead: RefCell::default(),
            views: RefCell::default(),
            waiting: RefCell::default(),
            fails: RefCell::default(),
            depth: Cell::default(),
            deepest: Cell::default(),
            is_over: Cell::default(),
            is_gone: Cell::default(),
        });
        // SAFETY of all hooks here: the pointers are those of a stream and a configuration that live.
        let mine =
            unsafe { abi::envoy_dynamic_module_on_http_filter_new(config.mine(), stream.ours()) };
        assert!(!mine.is_null(), "Envoy 1.39 would never answer");
        stream.mine.set(mine);
        worker.streams.borrow_mut().insert(number, stream.clone());
        stream
    }

    /// The stream of this address.
    ///
    /// # Safety
    ///
    /// It is one that the module got.
    pub(crate) unsafe fn at(ours: Ours) -> Rc<Self> {
        let stream: *const Self = ours.cast_const().cast();
        // SAFETY: as the caller says; those that are gone are kept.
        let stream = unsafe {
            Rc::increment_strong_count(stream);
            Rc::from_raw(stream)
        };
        assert!(!stream.is_gone.get(), "Envoy has let go of the stream");
        stream
    }

    fn ours(&self) -> Ours {
        ptr::from_ref(self).cast_mut().cast()
    }

    /// Runs a hook.
    pub(crate) fn hook<T>(&self, phase: Phase, run: impl FnOnce(Ours, Mine) -> T) -> T {
        let outer = self.running.replace(Some(phase));
        self.depth.set(self.depth.get() + 1);
        self.deepest.set(self.deepest.get().max(self.depth.get()));
        let result = run(self.ours(), self.mine.get());
        self.depth.set(self.depth.get() - 1);
        self.running.set(outer);
        self.end_views();
        result
    }

    /// Bytes that the module may look at for now.
    pub(crate) fn view(&self, bytes: &[u8]) -> abi::Buf {
        let bytes: Box<[u8]> = bytes.into();
        let view = abi::Buf::of(&bytes);
        self.views.borrow_mut().push(bytes);
        view
    }

    pub(crate) fn end_views(&self) {
        self.views.take();
    }

    pub(crate) fn request_headers(&self) -> Step {
        let status = self.hook(Phase::Request, |ours, mine| unsafe {
            abi::envoy_dynamic_module_on_http_filter_request_headers(ours, mine, false)
        });
        self.after_headers(Phase::Request, status)
    }

    pub(crate) fn request_body(&self, bytes: &[u8], is_last: bool) -> Step {
        self.record.borrow_mut().body = bytes.to_vec();
        let status = self.hook(Phase::RequestBody, |ours, mine| unsafe {
            abi::envoy_dynamic_module_on_http_filter_request_body(ours, mine, is_last)
        });
        self.after_body(Phase::RequestBody, status)
    }

    pub(crate) fn response_headers(&self, is_last: bool) -> Step {
        self.has_response.set(true);
        let status = self.hook(Phase::Response, |ours, mine| unsafe {
            abi::envoy_dynamic_module_on_http_filter_response_headers(ours, mine, is_last)
        });
        let step = self.after_headers(Phase::Response, status);
        let added = self.added.take();
        if step != Step::Go || added.is_empty() {
            return step;
        }
        // It has a body now, that of a reply.
        let mut headers = self.record.borrow().response.clone();
        let place = headers.iter().position(|(name, _)| name == ":status").expect("a status");
        let (_, status) = headers.remove(place);
        let status = String::from_utf8(status).expect("text").parse().expect("a status");
        Step::Reply(status, headers, added)
    }

    pub(crate) fn response_body(&self, bytes: &[u8], is_last: bool) -> Step {
        self.record.borrow_mut().body = bytes.to_vec();
        let status = self.hook(Phase::ResponseBody, |ours, mine| unsafe {
            abi::envoy_dynamic_module_on_http_filter_response_body(ours, mine, is_last)
        });
        self.after_body(Phase::ResponseBody, status)
    }

    fn after_headers(&self, phase: Phase, status: u32) -> Step {
        match status {
            abi::CONTINUE => self.goes_on(phase),
            abi::STOP => self.is_answered(),
            abi::STOP_ALL_AND_WATERMARK => self.held.set(Some(phase)),
            other => panic!("headers status {other}"),
        }
        self.record.borrow_mut().step_after(status != abi::CONTINUE)
    }

    fn after_body(&self, phase: Phase, status: u32) -> Step {
        match status {
            abi::CONTINUE => {}
            // It waits, or is answered.
            abi::STOP => self.held.set(Some(phase)),
            other => panic!("body status {other}"),
        }
        self.record.borrow_mut().step_after(status != abi::CONTINUE)
    }

    fn goes_on(&self, phase: Phase) {
        let is_lost = phase == Phase::Request && self.is_changed.get();
        assert!(!is_lost, "the request was changed, and its route is that of before");
    }

    fn is_answered(&self) {
        let record = self.record.borrow();
        assert!(record.reply.is_some() || record.broken, "nothing would ever go on");
    }

    /// The module lets a message go: what arrived of its body meanwhile comes within this very call.
    pub(crate) fn resume(&self, is_request: bool) {
        self.record.borrow_mut().resume();
        let held = self.held.take().expect("a message that is held");
        let (bytes, is_last) = self.waiting.take().unwrap_or_default();
        match (held, is_request) {
            (Phase::Request, true) => {
                self.goes_on(Phase::Request);
                let mut step = self.request_body(&bytes, is_last);
                if let Some(reply) = self.fails.take().filter(|_| step == Step::Go) {
                    step = self.local_reply(reply);
                }
                self.put_back(step);
            }
            (Phase::Response, false) => {
                let step = self.response_body(&bytes, is_last);
                let passed = self.record.borrow().body.clone();
                self.ahead.borrow_mut().extend(passed);
                let is_through = is_last && step == Step::Go;
                self.put_back(step);
                if is_through {
                    self.complete();
                }
            }
            // Envoy does not show it a second time.
            (Phase::RequestBody, true) | (Phase::ResponseBody, false) => {}
            (held, _) => panic!("{held:?} is held, and not what is let go"),
        }
    }

    /// A whole response of Envoy's own.
    fn local_reply(&self, LocalReply { headers, cause }: LocalReply) -> Step {
        let mut record = self.record.borrow_mut();
        (record.response, record.cause) = (headers, Some(cause));
        drop(record);
        let step = self.response_headers(false);
        if step == Step::Go {
            self.response_body(b"refused", true);
            self.complete();
        }
        step
    }

    /// A step that whoever asks for it next is to get.
    fn put_back(&self, step: Step) {
        if let Step::Reply(status, headers, body) = step {
            self.record.borrow_mut().reply = Some((status, headers, body));
        }
    }

    pub(crate) fn scheduled(&self, event: u64) {
        self.hook(Phase::Scheduled, |ours, mine| unsafe {
            abi::envoy_dynamic_module_on_http_filter_scheduled(ours, mine, event);
        });
    }

    /// The end of the stream, perhaps within a call of the module.
    pub(crate) fn complete(&self) {
        if self.is_over.replace(true) {
            return;
        }
        self.hook(Phase::Complete, |ours, mine| unsafe {
            abi::envoy_dynamic_module_on_http_filter_stream_complete(ours, mine);
        });
        self.worker.let_go(self.number);
    }

    pub(super) fn destroy(self: &Rc<Self>) {
        self.is_gone.set(true);
        self.worker.keep(self.clone());
        unsafe { abi::envoy_dynamic_module_on_http_filter_destroy(self.mine.get()) };
    }

    pub(crate) fn is_gone(&self) -> bool {
        self.is_gone.get()
    }

    pub(crate) fn is_over(&self) -> bool {
        self.is_over.get()
    }
}
