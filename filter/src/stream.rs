//! One HTTP exchange.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use podpin::filter::Filter;
use podpin::host::Flow;
use podpin::reply::Reply;
use podpin::store::Wake;
use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::Action;

use crate::envoy::{self, Envoy};

/// Exchanges that wait for a response to a callout, by their context ids. The SDK owns the contexts
/// and shows each only to its own callbacks, but the response comes to the root.
#[derive(Clone, Default)]
pub(crate) struct Waiting(Rc<RefCell<BTreeMap<u32, SharedFilter>>>);

type SharedFilter = Rc<RefCell<Filter<Envoy>>>;

impl Waiting {
    /// Tells an exchange its wake, if it still waits. Runs in a callback of the root.
    pub(crate) fn tell(&self, stream: u32, wake: Wake) {
        let Some(filter) = self.0.borrow_mut().remove(&stream) else { return };
        // Fails if Envoy has let go of the exchange; then there is nobody to tell.
        if hostcalls::set_effective_context(stream).is_ok() {
            filter.borrow_mut().on_wake(wake);
        }
    }
}

/// The context of one exchange.
pub(crate) struct Stream {
    id: u32,
    filter: SharedFilter,
    waiting: Waiting,
}

impl Stream {
    pub(crate) fn new(id: u32, filter: Filter<Envoy>, waiting: Waiting) -> Self {
        Self { id, filter: Rc::new(RefCell::new(filter)), waiting }
    }

    fn run(&self, callback: impl FnOnce(&mut Filter<Envoy>) -> Flow) -> Action {
        let flow = callback(&mut self.filter.borrow_mut());
        match flow {
            Flow::Continue => Action::Continue,
            Flow::Wait => {
                self.waiting.0.borrow_mut().insert(self.id, self.filter.clone());
                Action::Pause
            }
            Flow::Replied => Action::Pause,
        }
    }
}

impl Context for Stream {}

impl HttpContext for Stream {
    fn on_http_request_headers(&mut self, _: usize, _: bool) -> Action {
        self.run(Filter::on_request_headers)
    }

    fn on_http_request_body(&mut self, size: usize, _: bool) -> Action {
        self.run(|filter| filter.on_request_body(size))
    }

    fn on_http_response_headers(&mut self, _: usize, _: bool) -> Action {
        self.run(Filter::on_response_headers)
    }

    fn on_http_response_body(&mut self, size: usize, _: bool) -> Action {
        self.run(|filter| filter.on_response_body(size))
    }

    fn on_log(&mut self) {
        self.waiting.0.borrow_mut().remove(&self.id);
        self.filter.borrow_mut().on_end();
    }
}

/// An exchange that came although the configuration was refused.
pub(crate) struct Refusal;

impl Context for Refusal {}

impl HttpContext for Refusal {
    fn on_http_request_headers(&mut self, _: usize, _: bool) -> Action {
        envoy::reply(&Reply::unavailable());
        Action::Pause
    }
}
