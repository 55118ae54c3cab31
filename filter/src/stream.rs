//! One HTTP exchange.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use podpin::filter::Filter;
use podpin::host::{Direction, ExchangeId, Flow};
use podpin::http::Reply;
use podpin::worker::Wake;
use proxy_wasm::hostcalls as sdk;
use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::{Action, StreamType};

use crate::envoy::{self, Envoy};
use crate::hostcalls;

/// Exchanges that wait, by their context ids: the SDK owns the contexts and shows each only to its
/// own callbacks, but what they wait for comes to the root.
#[derive(Clone, Default)]
pub(crate) struct Waiting(Rc<RefCell<BTreeMap<u32, Rc<RefCell<Running>>>>>);

/// The filter on one exchange, and the proxy as that sees it.
struct Running {
    filter: Filter,
    envoy: Envoy,
}

impl Waiting {
    /// Wakes exchanges. Runs in a callback of the root.
    pub(crate) fn wake_all(&self, wakes: Vec<(ExchangeId, Wake)>) {
        for (ExchangeId(stream), wake) in wakes {
            if let Ok(stream) = u32::try_from(stream) {
                self.wake(stream, wake);
            }
        }
    }

    fn wake(&self, stream: u32, wake: Wake) {
        let Some(running) = self.0.borrow().get(&stream).cloned() else { return };
        // Fails if Envoy has let go of the exchange; then there is nobody to wake.
        if sdk::set_effective_context(stream).is_err() {
            return;
        }
        let Running { filter, envoy } = &mut *running.borrow_mut();
        let Some((direction, flow)) = filter.on_wake(envoy, wake) else { return };
        if flow != Flow::Wait {
            self.0.borrow_mut().remove(&stream);
        }
        match flow {
            Flow::Wait => {}
            Flow::Continue => hostcalls::resume(match direction {
                Direction::Request => StreamType::HttpRequest,
                Direction::Response => StreamType::HttpResponse,
            }),
            Flow::Reply(reply) => envoy::reply(&reply),
            Flow::Break => hostcalls::close(),
        }
    }
}

/// The context of one exchange.
pub(crate) struct Stream {
    id: u32,
    running: Rc<RefCell<Running>>,
    waiting: Waiting,
}

impl Stream {
    pub(crate) fn new(id: u32, filter: Filter, envoy: Envoy, waiting: Waiting) -> Self {
        Self { id, running: Rc::new(RefCell::new(Running { filter, envoy })), waiting }
    }

    fn end(&self) {
        self.waiting.0.borrow_mut().remove(&self.id);
        let Running { filter, envoy } = &mut *self.running.borrow_mut();
        filter.on_end(envoy);
    }

    fn run(&self, callback: impl FnOnce(&mut Filter, &mut Envoy) -> Flow) -> Action {
        let Running { filter, envoy } = &mut *self.running.borrow_mut();
        match callback(filter, envoy) {
            Flow::Continue => Action::Continue,
            Flow::Wait => {
                self.waiting.0.borrow_mut().insert(self.id, self.running.clone());
                Action::Pause
            }
            Flow::Reply(reply) => {
                envoy::reply(&reply);
                Action::Pause
            }
            Flow::Break => {
                hostcalls::close();
                Action::Pause
            }
        }
    }
}

impl Context for Stream {}

impl HttpContext for Stream {
    fn on_http_request_headers(&mut self, _: usize, _: bool) -> Action {
        self.run(Filter::on_request_headers)
    }

    fn on_http_request_body(&mut self, size: usize, _: bool) -> Action {
        self.run(|filter, envoy| filter.on_request_body(envoy, size))
    }

    fn on_http_response_headers(&mut self, _: usize, is_last: bool) -> Action {
        self.run(|filter, envoy| filter.on_response_headers(envoy, !is_last))
    }

    fn on_http_response_body(&mut self, size: usize, _: bool) -> Action {
        self.run(|filter, envoy| filter.on_response_body(envoy, size))
    }

    fn on_log(&mut self) {
        self.end();
    }
}

/// Envoy lets go of an exchange once, but not always after having logged it.
impl Drop for Stream {
    fn drop(&mut self) {
        self.end();
    }
}

/// An exchange that came although the configuration was refused.
pub(crate) struct Refusal;

impl Context for Refusal {}

impl HttpContext for Refusal {
    fn on_http_request_headers(&mut self, _: usize, _: bool) -> Action {
        let mut reply = Reply::unavailable();
        reply.details = "podpin_configuration_refused".to_owned();
        envoy::reply(&reply);
        Action::Pause
    }
}
