//! Carries out what an [`Exchange`] decides, by the calls of a [`Host`].

mod response;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use log::{Level, debug, log, log_enabled};

use crate::exchange::{Act, Effect, Event, Exchange, Intent, ResponseHead, Verdict};
use crate::host::{Callout, Direction, ExchangeId, Flow, Host, Refused, Secret};
use crate::http::{Edit, Head, HeaderMap, Reply};
use crate::pods::Place;
use crate::session::{Pin, SessionKey};
use crate::steer::Asked;
use crate::store::{Binding, Lookup, Wake};
use crate::telemetry::{Decision, Metric, Note};
use crate::worker::Worker;

/// How long a pod may take to end a session that no client learned of.
const END_ON_POD: Duration = Duration::from_secs(5);

/// The filter at work on one HTTP exchange.
#[derive(Debug)]
pub struct Filter {
    id: ExchangeId,
    worker: Arc<Worker>,
    exchange: Exchange,
    /// What the request's headers said that steering needs.
    asked: Asked,
    /// Path and authority of a request that may open a session.
    target: (Vec<u8>, Vec<u8>),
    /// Where the request was sent.
    sent_to: Option<Place>,
}

// === impl Filter ===

impl Filter {
    /// A filter for the exchange that the proxy calls `id`.
    pub fn new(id: ExchangeId, worker: Arc<Worker>) -> Self {
        let (exchange, asked) = (Exchange::default(), Asked::default());
        Self { id, worker, exchange, asked, target: Default::default(), sent_to: None }
    }

    /// The request's headers came.
    pub fn on_request_headers(&mut self, host: &mut impl Host) -> Flow {
        let (intent, steering) = self.read_request(host);
        if !steering.is_empty() {
            strip(host, steering);
        }
        self.settle(host, Event::Asked(intent))
    }

    /// `size` bytes of the request's body came.
    pub fn on_request_body(&mut self, host: &mut impl Host, size: usize) -> Flow {
        let wanted = self.exchange.wants_of_request_body();
        if wanted == 0 {
            return Flow::Continue;
        }
        let bytes = host.body(Direction::Request, size.min(wanted));
        self.settle(host, Event::RequestBody(&bytes))
    }

    /// The response's headers came, with a body to follow or without.
    pub fn on_response_headers(&mut self, host: &mut impl Host, has_body: bool) -> Flow {
        self.hide_endpoint(host);
        let response = match self.exchange {
            Exchange::Opening { .. } => self.response_to_opening(host),
            Exchange::Steered { pin, method, .. } => {
                self.response_to_steered(host, pin.place, method)
            }
            _ if self.exchange.reads_response_head() => response::status_of(host),
            _ => return Flow::Continue,
        };
        let response = ResponseHead { has_body, ..response };
        self.settle(host, Event::ResponseHeaders(response))
    }

    /// `size` bytes of the response's body came.
    pub fn on_response_body(&mut self, host: &mut impl Host, size: usize) -> Flow {
        let wanted = self.exchange.wants_of_response_body();
        if wanted == 0 && !self.exchange.replaces_response_body() {
            return Flow::Continue;
        }
        let bytes = match wanted {
            0 => Vec::new(),
            _ => host.body(Direction::Response, size.min(wanted)),
        };
        self.settle(host, Event::ResponseBody(&bytes))
    }

    /// What the exchange waited for has come. Says which message waited and what becomes of it;
    /// `None` if none does any more.
    pub fn on_wake(&mut self, host: &mut impl Host, wake: Wake) -> Option<(Direction, Flow)> {
        match (&self.exchange, wake) {
            (Exchange::Looking { .. }, Wake::Looked(found)) => {
                Some((Direction::Request, self.settle(host, Event::Looked(found))))
            }
            (Exchange::Binding { .. }, Wake::Stored(binding)) => {
                Some((Direction::Response, self.settle(host, Event::Stored(binding))))
            }
            _ => None,
        }
    }

    /// The exchange is over, one way or another. May be called again.
    pub fn on_end(&mut self) {
        self.worker.end_use(self.id);
        if matches!(self.exchange, Exchange::Looking { .. } | Exchange::Binding { .. }) {
            self.worker.store.leave(self.id);
        }
        self.exchange = Exchange::Over;
    }

    fn read_request(&mut self, host: &impl Host) -> (Intent, Vec<String>) {
        let config = &self.worker.config;
        let headers = host.request_headers();
        let head = Head::read(&headers, |name| config.steering.is_steering(name));
        let intent = Intent::of(&head, &config.paths, &config.scope);
        if matches!(intent, Intent::Open | Intent::Use { .. }) {
            self.asked = config.steering.asked(&head);
        }
        if intent == Intent::Open {
            let authority = head.authority.unwrap_or_default();
            self.target = (head.path.to_vec(), authority.to_vec());
        }
        (intent, head.client_steering.iter().map(|name| (*name).to_owned()).collect())
    }

    /// Takes an event, does what comes of it, and goes on until the message at hand passes, waits
    /// or is answered.
    fn settle(&mut self, host: &mut impl Host, mut event: Event<'_>) -> Flow {
        loop {
            let (exchange, verdict) =
                std::mem::take(&mut self.exchange).on(event, &self.worker.config.policy);
            self.exchange = exchange;
            event = match verdict.act {
                Act::Place => Event::Placed(self.place(host)),
                Act::Look(key) => match self.look(host, key) {
                    Some(found) => Event::Looked(found),
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
                Act::Pass => {
                    self.conclude(host, &verdict);
                    return Flow::Continue;
                }
                Act::Reply(ref reply) => {
                    self.conclude(host, &verdict);
                    return Flow::Reply(explained(reply, &verdict));
                }
                Act::ReplyInstead(ref reply) => {
                    self.conclude(host, &verdict);
                    let reply = explained(reply, &verdict);
                    return Flow::Reply(reply.carrying(&host.response_headers()));
                }
                Act::ReplaceHeaders(ref reply) => {
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

    fn place(&mut self, host: &mut impl Host) -> Option<Place> {
        let id = self.id;
        self.worker.config.steering.pick(|| {
            host.random().unwrap_or_else(|| {
                // Still spread over the pods, only easier to foresee.
                host.count(Metric::RandomMissing);
                host.now().0.wrapping_add(id.0).wrapping_mul(0x9e37_79b9_7f4a_7c15)
            })
        })
    }

    fn look(&mut self, host: &mut impl Host, key: SessionKey) -> Option<Lookup> {
        let now = host.now();
        self.worker.store.look(host, self.id, key, now)
    }

    fn bind(
        &mut self,
        host: &mut impl Host,
        key: SessionKey,
        place: Place,
        incarnation: Option<SocketAddr>,
    ) -> Option<Binding> {
        let now = host.now();
        self.worker.saw(host, place, incarnation, now);
        if self.sent_to.is_none() {
            // The proxy has picked it.
            self.note_place(host, place);
        }
        let pin = Pin { place, incarnation, bound_at: now, used_at: now };
        self.worker.store.bind(host, self.id, key, pin, now)
    }

    fn steer(&mut self, host: &mut impl Host, place: Place) -> Result<(), Refused> {
        let steering = &self.worker.config.steering;
        for edit in steering.edits(&mut self.asked, place).ok_or(Refused)? {
            host.edit(Direction::Request, &edit)?;
        }
        self.note_place(host, place);
        let steering = &self.worker.config.steering;
        if let Some(name) = steering.header() {
            host.annotate(Note::Header, name);
        }
        if let Exchange::Steered { key, .. } = self.exchange {
            self.worker.begin_use(self.id, key);
        }
        Ok(())
    }

    fn note_place(&mut self, host: &mut impl Host, place: Place) {
        self.sent_to = Some(place);
        host.annotate(Note::Pod, &self.worker.config.steering.name(place));
    }

    /// Without the client's credentials, which are not kept; what a pod makes of it is its own
    /// affair.
    fn end_on_pod(&self, host: &mut impl Host, place: Place) {
        let route = self.worker.config.steering.route(place);
        let (Some(cluster), Some(route)) = (host.upstream_cluster(), route) else { return };
        let text = |bytes: &[u8]| std::str::from_utf8(bytes).map(str::to_owned).ok();
        let id = host.response_headers().get("mcp-session-id").and_then(text);
        let (path, asked) = &self.target;
        let authority = route.authority.or_else(|| text(asked));
        let (Some(path), Some(id), Some(authority)) = (text(path), id, authority) else { return };
        let id = ("mcp-session-id".to_owned(), Secret(id));
        let steering = route.header.map(|(name, value)| (name, Secret(value)));
        let callout = Callout {
            cluster,
            method: "DELETE",
            path,
            authority,
            headers: [id].into_iter().chain(steering).collect(),
            body: Vec::new(),
            timeout: END_ON_POD,
        };
        if host.call(&callout).is_err() {
            debug!("a session that no client learned of cannot be ended on its pod");
        }
    }

    /// Does what the verdict causes, and tells counters, access log and log.
    fn conclude(&mut self, host: &mut impl Host, verdict: &Verdict) {
        for effect in &verdict.effects {
            match effect {
                Effect::Unbind(key, pin) => {
                    self.worker.end_use(self.id);
                    let now = host.now();
                    self.worker.store.unbind(host, key, *pin, now);
                }
                Effect::EndOnPod(place) => self.end_on_pod(host, *place),
            }
        }
        let Some(decision) = verdict.decision else { return };
        if let (Decision::Bound, Some(key)) = (decision, verdict.session) {
            self.worker.begin_use(self.id, key);
        }
        host.count(Metric::Decided(decision));
        match decision {
            Decision::Strayed => self.worker.warn_of_strayed(self.sent_to, host.now()),
            Decision::Outside => self.worker.warn_of_outside(self.sent_to, host.now()),
            _ => {}
        }
        // It is none of this workload's requests.
        if decision != Decision::Elsewhere {
            host.annotate(Note::Decision, decision.name());
        }
        let level = match decision {
            Decision::SteeringRefused | Decision::IdTaken | Decision::BadIdOfPod => Level::Warn,
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

/// Removes headers by which a client would choose an upstream. The one that an earlier instance of
/// this filter has set is none of them: that has removed the client's.
fn strip(host: &mut impl Host, steering: Vec<String>) {
    let ours = host.noted(Note::Header);
    let mut stripped = false;
    for name in steering.into_iter().filter(|name| ours.as_deref() != Some(name.as_bytes())) {
        // One that a proxy refuses to remove it does not have.
        let _ = host.edit(Direction::Request, &Edit::Remove(name.into()));
        stripped = true;
    }
    if stripped {
        host.count(Metric::Stripped);
    }
}

/// A reply with its reason.
fn explained(reply: &Reply, verdict: &Verdict) -> Reply {
    let mut reply = reply.clone();
    reply.details = verdict.decision.map(Decision::details).unwrap_or_default();
    reply
}
