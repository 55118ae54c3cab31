//! Carries out what an [`Exchange`] decides, by the calls of a [`Host`].

mod acts;
mod modern;
mod pod_calls;
mod request;
mod response;
mod sealing;

use std::sync::Arc;

use log::{Level, log, log_enabled};

use crate::exchange::{Act, Effect, Event, Exchange, ResponseHead, Verdict};
use crate::host::{Direction, ExchangeId, Flow, Host, Refused};
use crate::http::{Packed, Reply};
use crate::keyring::Nonce;
use crate::modern::task_key;
use crate::pods::{Ordinal, Place};
use crate::session::{SessionId, Subject, Timestamp, User};
use crate::steer::Asked;
use crate::store::sealed::PodsId;
use crate::store::{Lookup, Wake as Stored};
use crate::telemetry::{Decision, Metric, Note};
use crate::watch::Question;
use crate::worker::{Wake, Worker};

/// The filter at work on one HTTP exchange.
#[derive(Debug)]
pub struct Filter {
    id: ExchangeId,
    worker: Arc<Worker>,
    /// Apart from the rest, so that both are of a size that allocators are quick with.
    exchange: Box<Exchange>,
    /// What the request's headers said that steering needs.
    asked: Asked,
    /// The request's headers, while a request of the filter's own may follow from the response.
    kept: Option<Packed>,
    /// Who it is from, if that is known and matters.
    subject: Option<Subject>,
    /// The sealed id by which the client has its session.
    presented: Vec<u8>,
    /// What the pod calls that.
    sealed_id: Option<PodsId>,
    /// For the id of the session that the response opens.
    nonce: Option<Nonce>,
    /// The proxy would not answer the request as it is told to.
    is_grpc: bool,
    /// When the session of the request was looked up.
    asked_at: Timestamp,
    /// Where the request was sent.
    sent_to: Option<Place>,
    /// The pod on which it may open a session, until that is known.
    opening: Option<Ordinal>,
}

// === impl Filter ===

impl Filter {
    /// A filter for the exchange that the proxy calls `id`.
    pub fn new(id: ExchangeId, worker: Arc<Worker>) -> Self {
        Self {
            id,
            worker,
            exchange: Box::default(),
            asked: Asked::default(),
            kept: None,
            subject: None,
            presented: Vec::new(),
            sealed_id: None,
            nonce: None,
            is_grpc: false,
            asked_at: Timestamp::default(),
            sent_to: None,
            opening: None,
        }
    }

    /// The request's headers came.
    pub fn on_request_headers(&mut self, host: &mut impl Host) -> Flow {
        let (intent, surplus) = self.read_request(host);
        surplus.strip(host);
        self.settle(host, Event::Asked(intent))
    }

    /// Whether a piece of this body matters now. If it does not, it goes on, and nobody need ask.
    pub fn heeds_body(&self, direction: Direction) -> bool {
        let exchange = &self.exchange;
        match direction {
            Direction::Request => exchange.wants_of_request_body() > 0,
            Direction::Response => {
                exchange.wants_of_response_body() > 0
                    || exchange.holds_response_body()
                    || exchange.replaces_response_body()
            }
        }
    }

    /// `size` bytes of the request's body came.
    pub fn on_request_body(&mut self, host: &mut impl Host, size: usize) -> Flow {
        if !self.heeds_body(Direction::Request) {
            return Flow::Continue;
        }
        let wanted = self.exchange.wants_of_request_body();
        let bytes = host.body(Direction::Request, size.min(wanted));
        self.settle(host, Event::RequestBody(&bytes))
    }

    /// The response's headers came, with a body to follow or without.
    pub fn on_response_headers(&mut self, host: &mut impl Host, has_body: bool) -> Flow {
        self.hide_endpoint(host);
        let response = match *self.exchange {
            Exchange::Opening { .. } | Exchange::OpeningStream { .. } => {
                self.response_to_opening(host)
            }
            Exchange::Steered { pin, method, .. } => self.response_to_steered(host, &pin, method),
            Exchange::Ruled(_) => self.response_to_ruled(host),
            _ if self.exchange.reads_response_head() => response::status_of(host),
            _ => return Flow::Continue,
        };
        let response = ResponseHead { has_body, ..response };
        let flow = self.settle(host, Event::ResponseHeaders(response));
        if !self.exchange.may_ask_pod() {
            self.kept = None;
        }
        flow
    }

    /// `size` bytes of the response's body came.
    pub fn on_response_body(&mut self, host: &mut impl Host, size: usize) -> Flow {
        if !self.heeds_body(Direction::Response) {
            return Flow::Continue;
        }
        if self.exchange.holds_response_body() {
            return Flow::Wait;
        }
        let wanted = self.exchange.wants_of_response_body();
        let bytes = match wanted {
            0 => Vec::new(),
            _ => host.body(Direction::Response, size.min(wanted)),
        };
        self.settle(host, Event::ResponseBody(&bytes))
    }

    /// What the exchange waited for has come. Says which message waited and what becomes of it;
    /// `None` if none does any more.
    pub fn on_wake(&mut self, host: &mut impl Host, wake: Wake) -> Option<(Direction, Flow)> {
        match (&*self.exchange, wake) {
            (Exchange::Looking { .. }, Wake::Store(Stored::Looked(found))) => {
                let found = found.for_user(User::Client(self.subject));
                if let (Lookup::Live(pin), Exchange::Looking { key, .. }) = (found, &*self.exchange)
                {
                    let (key, now) = (*key, host.now());
                    self.worker.store.used(host, key, pin, now);
                }
                Some((Direction::Request, self.settle(host, Event::Looked(found))))
            }
            (
                Exchange::Binding { .. } | Exchange::BindingStream { .. },
                Wake::Store(Stored::Stored(binding)),
            ) => Some((Direction::Response, self.settle(host, Event::Stored(binding)))),
            (Exchange::Ruled(ruled), Wake::Kept(wake)) if ruled.waits() => {
                let direction = match ruled.holds_response() {
                    true => Direction::Response,
                    false => Direction::Request,
                };
                let event = self.kept(host, wake);
                Some((direction, self.settle(host, event)))
            }
            (Exchange::Doubting { .. }, Wake::Pod(answer)) => {
                Some((Direction::Response, self.settle(host, Event::Told(answer))))
            }
            _ => None,
        }
    }

    /// The exchange is over, one way or another. May be called again.
    pub fn on_end(&mut self, host: &mut impl Host) {
        self.worker.end_use(self.id);
        if let Exchange::Streaming { key } = *self.exchange {
            let now = host.now();
            self.worker.store.unbind(host, &key, None, now);
            self.worker.count_sessions(host);
            host.count(Metric::Decided(Decision::Ended));
        }
        if matches!(
            *self.exchange,
            Exchange::Looking { .. } | Exchange::Binding { .. } | Exchange::BindingStream { .. }
        ) {
            self.worker.store.leave(self.id);
        }
        if let (Exchange::Ruled(ruled), Some(kept)) = (&*self.exchange, &self.worker.kept)
            && ruled.waits()
        {
            kept.leave(self.id);
        }
        if matches!(*self.exchange, Exchange::Doubting { .. }) {
            self.worker.watch.leave(self.id);
        }
        self.end_opening();
        *self.exchange = Exchange::Over;
    }

    /// Takes an event, does what comes of it, and goes on until the message at hand passes, waits
    /// or is answered.
    fn settle(&mut self, host: &mut impl Host, mut event: Event<'_>) -> Flow {
        loop {
            let (exchange, verdict) =
                std::mem::take(&mut *self.exchange).on(event, &self.worker.config.policy);
            *self.exchange = exchange;
            event = match verdict.act {
                Act::Place => Event::Placed(self.place(host)),
                Act::Look(key) => match self.look(host, key) {
                    Some(found) => Event::Looked(found),
                    None => return Flow::Wait,
                },
                Act::Reach(pod) => Event::Chosen(self.reach(host, pod)),
                Act::Choose(key) => Event::Chosen(self.choose(host, key)),
                Act::Recall(key) => match self.recall(host, key) {
                    Some(found) => Event::Looked(found),
                    None => return Flow::Wait,
                },
                Act::Keep { key, place } => match self.keep(host, key, place) {
                    Some(binding) => Event::Stored(binding),
                    None => return Flow::Wait,
                },
                Act::Bind { key, place, incarnation } => {
                    match self.bind(host, key, place, incarnation) {
                        Some(binding) => Event::Stored(binding),
                        None => return Flow::Wait,
                    }
                }
                Act::Steer(place) => match self.steer(host, place) {
                    Ok(()) => {
                        self.conclude(host, &verdict);
                        return Flow::Continue;
                    }
                    Err(Refused) => Event::SteeringRefused,
                },
                Act::Ask { key, pin, answered_by } => {
                    let exchange = Some(self.id);
                    let question = Question { key, pin, answered_by, exchange };
                    match self.ask(host, question) {
                        Some(answer) => Event::Told(answer),
                        None => return Flow::Wait,
                    }
                }
                Act::Name(ref id) => {
                    let served = &self.worker.config.served;
                    Event::Named(SessionId::parse(id).map(|id| match *self.exchange {
                        Exchange::Ruled(_) => task_key(&served.scope, id),
                        _ => served.sse_scope.key(id),
                    }))
                }
                Act::Break => {
                    self.conclude(host, &verdict);
                    return Flow::Break;
                }
                Act::Pass => {
                    self.conclude(host, &verdict);
                    return Flow::Continue;
                }
                Act::Reply(ref reply) if self.is_grpc => {
                    self.conclude(host, &verdict);
                    self.veil(host);
                    *self.exchange = Exchange::Veiled { reply: reply.clone() };
                    return Flow::Continue;
                }
                Act::Reply(ref reply) => {
                    self.conclude(host, &verdict);
                    return Flow::Reply(explained(reply, &verdict));
                }
                Act::ReplyInstead(ref reply) if !self.is_grpc => {
                    self.conclude(host, &verdict);
                    let reply = explained(reply, &verdict);
                    return Flow::Reply(reply.carrying(&host.response_headers()));
                }
                // Of gRPC the status at least can be kept, where there is no place for a body.
                Act::ReplaceHeaders(ref reply) | Act::ReplyInstead(ref reply) => {
                    self.conclude(host, &verdict);
                    for edit in reply.edits() {
                        // A header that cannot be changed is no reason to send the client on.
                        let _ = host.edit(Direction::Response, &edit);
                    }
                    return Flow::Continue;
                }
                Act::ReplaceBody(ref body) => {
                    host.replace_body(body.as_bytes());
                    return Flow::Continue;
                }
            };
        }
    }

    /// Does what the verdict causes, counts sessions, and tells counters, access log and log.
    fn conclude(&mut self, host: &mut impl Host, verdict: &Verdict) {
        for effect in &verdict.effects {
            match effect {
                Effect::Unbind(key, pin) => {
                    self.worker.end_use(self.id);
                    let now = host.now();
                    self.worker.store.unbind(host, key, *pin, now);
                }
                Effect::Forget(key) => self.forget(host, key),
                Effect::EndOnPod(place) => self.end_on_pod(host, *place),
                Effect::Unreachable(place, refuses) => {
                    self.worker.unreachable(host, *place, *refuses);
                }
                Effect::Restarted(place) => {
                    let now = host.now();
                    self.worker.watch.restarted(host, *place, now);
                }
                Effect::AskInPassing(key, pin) => {
                    let (key, pin) = (*key, *pin);
                    let answered_by = response::upstream_address(host);
                    let question = Question { key, pin, answered_by, exchange: None };
                    // What comes of it the worker is told.
                    let _ = self.ask(host, question);
                }
            }
        }
        self.worker.count_sessions(host);
        let Some(decision) = verdict.decision else { return };
        if matches!(decision, Decision::Bound | Decision::NotBound) {
            self.end_opening();
        }
        if let (Decision::Bound, Some(key)) = (decision, verdict.session) {
            self.worker.begin_use(self.id, key);
        }
        host.count(Metric::Decided(decision));
        match decision {
            Decision::Strayed => self.worker.warn_of_strayed(self.sent_to, host.now()),
            Decision::TaskUnnamed => self.worker.warn_of_unnamed(host.now()),
            Decision::Outside => self.worker.warn_of_outside(self.sent_to, host.now()),
            Decision::Stranger => {
                let now = host.now();
                if let Some(key) = &verdict.session {
                    self.worker.store.refuse(key, User::Client(self.subject), now);
                }
                self.worker.warn_of_stranger(verdict.session, now);
            }
            _ => {}
        }
        // It is none of this workload's requests.
        if decision != Decision::Elsewhere {
            host.annotate(Note::Decision, decision.name());
        }
        let level = match decision {
            Decision::SteeringRefused | Decision::IdTaken | Decision::BadIdOfPod
                if self.worker.may_warn_of(decision, host.now()) =>
            {
                Level::Warn
            }
            Decision::Lost | Decision::Unreachable => Level::Info,
            _ => Level::Debug,
        };
        if log_enabled!(level) {
            let session = verdict.session.map(|key| format!(" session {key}")).unwrap_or_default();
            let pod = self.sent_to.map(|place| self.worker.config.steering.name(place));
            let pod = pod.map(|pod| format!(" pod {pod}")).unwrap_or_default();
            log!(level, "{}:{session}{pod}", decision.name());
        }
    }
}

/// A reply with its reason.
fn explained(reply: &Reply, verdict: &Verdict) -> Reply {
    let mut reply = reply.clone();
    reply.details = verdict.decision.map(Decision::details).unwrap_or_default();
    reply
}
