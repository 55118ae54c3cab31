//! One HTTP exchange.
//!
//! Envoy calls hooks of a stream from within calls that this makes, even the one that ends it. So what the
//! core decides is carried out after it has returned and the filter is no longer borrowed, and whoever
//! runs a hook holds a share of the stream.

use std::cell::{Cell, OnceCell, RefCell};
use std::sync::Arc;

use podpin::filter::Filter;
use podpin::host::{Direction, ExchangeId, Flow};
use podpin::http::{Edit, Reply};

use crate::abi::{body_status, headers_status};
use crate::envoy::{Body, Hook, Map};
use crate::host::Envoy;
use crate::plugin::Plugin;
use crate::waiting::Slot;

/// Why a stream is broken off.
const BROKEN_OFF: &str = "podpin_broken_off";
/// What is said of an exchange in which a hook panicked.
const PANICKED: &str = "podpin_panicked";

/// One exchange.
pub(crate) struct Stream {
    plugin: Arc<Plugin>,
    id: ExchangeId,
    filter: RefCell<Filter>,
    /// Once it has waited.
    slot: OnceCell<Arc<Slot>>,
    phase: Cell<Phase>,
    /// The response ends with its headers.
    is_bare: Cell<bool>,
}

/// How far it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Phase {
    Request,
    Response,
    /// Answered, broken off or ended: the core is not asked any more.
    Over,
    /// And was told so.
    Ended,
}

/// What becomes of an exchange if a hook of it panics.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Fate {
    /// The client gets a 503.
    Answered,
    /// It has got a part of the response already.
    BrokenOff,
    /// Nothing: it is over.
    Over,
}

/// Answers a request for which there is no filter.
pub(crate) fn refuse(hook: &mut Hook<'_>) {
    answer(hook, &panicked());
}

fn panicked() -> Reply {
    let mut reply = Reply::unavailable();
    reply.details = PANICKED.to_owned();
    reply
}

fn answer(hook: &mut Hook<'_>, reply: &Reply) {
    let fields: Vec<_> = reply.headers().collect();
    let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_ref())).collect();
    hook.send_response(reply.status, &fields, reply.body.as_bytes(), &reply.details);
}

// === impl Stream ===

impl Stream {
    pub(crate) fn new(plugin: Arc<Plugin>) -> Self {
        let (id, filter) = plugin.filter();
        let (phase, is_bare, slot) = (Cell::new(Phase::Request), Cell::default(), OnceCell::new());
        Self { plugin, id, filter: RefCell::new(filter), slot, phase, is_bare }
    }

    pub(crate) fn on_request_headers(&self, hook: &mut Hook<'_>) -> u32 {
        let flow = self.ask(hook, |filter, envoy| filter.on_request_headers(envoy));
        self.headers(hook, flow)
    }

    pub(crate) fn on_request_body(&self, hook: &mut Hook<'_>) -> u32 {
        if !self.heeds_body(Direction::Request) {
            return body_status::CONTINUE;
        }
        let size = hook.body_size(Body::Request);
        let flow = self.ask(hook, |filter, envoy| filter.on_request_body(envoy, size));
        self.body(hook, flow)
    }

    pub(crate) fn on_response_headers(&self, hook: &mut Hook<'_>, is_last: bool) -> u32 {
        if self.phase.get() == Phase::Request {
            self.phase.set(Phase::Response);
        }
        self.is_bare.set(is_last);
        let flow = self.ask(hook, |filter, envoy| filter.on_response_headers(envoy, !is_last));
        self.headers(hook, flow)
    }

    pub(crate) fn on_response_body(&self, hook: &mut Hook<'_>) -> u32 {
        if !self.heeds_body(Direction::Response) {
            return body_status::CONTINUE;
        }
        let size = hook.body_size(Body::Response);
        let flow = self.ask(hook, |filter, envoy| filter.on_response_body(envoy, size));
        self.body(hook, flow)
    }

    /// What the exchange waited for has come.
    pub(crate) fn on_scheduled(&self, hook: &mut Hook<'_>) {
        for wake in self.slot.get().map(|slot| slot.take()).unwrap_or_default() {
            if self.is_over() {
                return;
            }
            let mut envoy = Envoy::on_stream(hook, &self.plugin.around);
            let Ok(mut filter) = self.filter.try_borrow_mut() else { return };
            let woken = filter.on_wake(&mut envoy, wake);
            drop(filter);
            let wishes = envoy.wishes;
            let Some((direction, flow)) = woken else { continue };
            if wishes.reroute && direction == Direction::Request {
                hook.clear_route_cache();
            }
            self.plugin.around.callouts.want(wishes.callouts);
            match (flow, direction) {
                (Flow::Wait, _) => self.wait(hook),
                (Flow::Continue, Direction::Request) => hook.continue_request(),
                (Flow::Continue, Direction::Response) => hook.continue_response(),
                // Envoy never ends a response that was held and gets its body here.
                (Flow::Reply(reply), _) => self.reply(hook, &reply),
                (Flow::Break, _) => self.reset(hook, BROKEN_OFF),
            }
        }
    }

    /// The exchange is over, one way or another; `hook` unless Envoy has let go of it.
    pub(crate) fn end(&self, hook: Option<&mut Hook<'_>>) {
        if self.phase.replace(Phase::Ended) == Phase::Ended {
            return;
        }
        if self.slot.get().is_some() {
            self.plugin.waiting.leave(self.id);
        }
        let Ok(mut filter) = self.filter.try_borrow_mut() else { return };
        let mut envoy = match hook {
            Some(hook) => Envoy::on_stream(hook, &self.plugin.around),
            None => Envoy::gone(&self.plugin.around),
        };
        filter.on_end(&mut envoy);
        drop(filter);
        let wanted = envoy.wishes.callouts;
        self.plugin.around.callouts.want(wanted);
    }

    /// A hook panicked: the exchange fails, and nothing else notices.
    pub(crate) fn fail(&self, hook: &mut Hook<'_>, name: &str, fate: Fate) {
        let change = self.plugin.around.metrics.panics(name);
        hook.count(change.id, &change.labels);
        match fate {
            _ if self.is_over() => {}
            Fate::Answered => self.reply(hook, &panicked()),
            Fate::BrokenOff => self.reset(hook, PANICKED),
            Fate::Over => self.over(),
        }
    }

    pub(crate) fn plugin(&self) -> &Plugin {
        &self.plugin
    }

    /// Sets a gauge to 1, for tests: the core sets them at ticks only.
    #[cfg(feature = "trip")]
    pub(crate) fn set_gauge(&self, hook: &mut Hook<'_>) {
        use podpin::{host::Host, telemetry::Gauge};
        Envoy::on_stream(hook, &self.plugin.around).set(Gauge::Ejected, 1);
    }

    /// Envoy is asked about no piece of a body that does not matter: there are several in most exchanges.
    fn heeds_body(&self, direction: Direction) -> bool {
        // One that is in use is asked, and breaks off.
        !self.is_over()
            && self.filter.try_borrow().map_or(true, |filter| filter.heeds_body(direction))
    }

    fn is_over(&self) -> bool {
        matches!(self.phase.get(), Phase::Over | Phase::Ended)
    }

    /// Asks the core what becomes of the message at hand.
    fn ask(
        &self,
        hook: &mut Hook<'_>,
        ask: impl FnOnce(&mut Filter, &mut Envoy<'_, '_>) -> Flow,
    ) -> Flow {
        if self.is_over() {
            return Flow::Continue;
        }
        let is_request = self.phase.get() == Phase::Request;
        let mut envoy = Envoy::on_stream(hook, &self.plugin.around);
        // Held by nobody: no call that the core makes calls back.
        let Ok(mut filter) = self.filter.try_borrow_mut() else { return Flow::Break };
        let flow = ask(&mut filter, &mut envoy);
        drop(filter);
        let wishes = envoy.wishes;
        if wishes.reroute && is_request && flow == Flow::Continue {
            hook.clear_route_cache();
        }
        self.plugin.around.callouts.want(wishes.callouts);
        if flow == Flow::Wait {
            self.wait(hook);
        }
        flow
    }

    /// What it waits for may have come by now.
    fn wait(&self, hook: &Hook<'_>) {
        self.slot.get_or_init(|| self.plugin.waiting.enter(self.id, hook.scheduler()));
    }

    fn headers(&self, hook: &mut Hook<'_>, flow: Flow) -> u32 {
        match flow {
            Flow::Continue => headers_status::CONTINUE,
            Flow::Wait => headers_status::STOP_ALL_AND_WATERMARK,
            Flow::Reply(reply) if self.phase.get() == Phase::Response => {
                match self.replace(hook, &reply) {
                    true => headers_status::CONTINUE,
                    false => headers_status::STOP,
                }
            }
            Flow::Reply(reply) => {
                self.reply(hook, &reply);
                headers_status::STOP
            }
            Flow::Break => {
                self.reset(hook, BROKEN_OFF);
                headers_status::STOP
            }
        }
    }

    fn body(&self, hook: &mut Hook<'_>, flow: Flow) -> u32 {
        match flow {
            Flow::Continue => body_status::CONTINUE,
            Flow::Wait => body_status::STOP_AND_BUFFER,
            Flow::Reply(reply) => {
                self.reply(hook, &reply);
                body_status::STOP_AND_BUFFER
            }
            Flow::Break => {
                self.reset(hook, BROKEN_OFF);
                body_status::STOP_AND_BUFFER
            }
        }
    }

    /// Answers in the place of a pod.
    fn reply(&self, hook: &mut Hook<'_>, reply: &Reply) {
        self.over();
        answer(hook, reply);
    }

    /// Puts a reply in the place of a response whose headers are at hand. Says whether those are to go on:
    /// a response without a body becomes the reply, and so passes the other filters like any response.
    fn replace(&self, hook: &mut Hook<'_>, reply: &Reply) -> bool {
        if !self.is_bare.get() {
            self.reply(hook, reply);
            return false;
        }
        self.over();
        for edit in reply.edits() {
            match edit {
                Edit::Set(name, value) => hook.set_header(Map::Response, &name, Some(&value)),
                Edit::Remove(name) => hook.set_header(Map::Response, &name, None),
                Edit::FilterState(..) | Edit::Endpoint(..) => true,
            };
        }
        hook.add_body(reply.body.as_bytes());
        true
    }

    fn reset(&self, hook: &mut Hook<'_>, details: &str) {
        self.over();
        hook.reset(details);
    }

    fn over(&self) {
        if self.phase.get() != Phase::Ended {
            self.phase.set(Phase::Over);
        }
    }
}
