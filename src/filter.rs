//! Carries out what an [`Exchange`] decides, by the calls of a [`Host`].

use std::net::SocketAddr;
use std::sync::Arc;

use log::{Level, log, log_enabled};

use crate::exchange::{Act, Effect, Event, Exchange, Intent, ResponseHead, Verdict};
use crate::host::{Direction, ExchangeId, Flow, Host, Note, Refused, Source};
use crate::http::{Edit, Head, HeaderMap, SessionHeader, status};
use crate::message::Media;
use crate::session::{Pin, Place, SessionKey};
use crate::steer::Asked;
use crate::store::{Binding, Lookup, Wake};
use crate::telemetry::{Decision, Metric};
use crate::worker::Worker;

/// The filter at work on one HTTP exchange.
#[derive(Debug)]
pub struct Filter {
    id: ExchangeId,
    worker: Arc<Worker>,
    exchange: Exchange,
    /// What the request's headers said that steering needs.
    asked: Asked,
    /// Where the request was sent.
    sent_to: Option<Place>,
}

// === impl Filter ===

impl Filter {
    /// A filter for the exchange that the proxy calls `id`.
    pub fn new(id: ExchangeId, worker: Arc<Worker>) -> Self {
        let (exchange, asked) = (Exchange::default(), Asked::default());
        Self { id, worker, exchange, asked, sent_to: None }
    }

    /// The request's headers came.
    pub fn on_request_headers(&mut self, host: &mut impl Host) -> Flow {
        let (intent, client_steering) = self.read_request(host);
        if !client_steering.is_empty() {
            for name in client_steering {
                // One that a proxy refuses to remove it does not have.
                let _ = host.edit(Direction::Request, &Edit::Remove(name.into()));
            }
            host.count(Metric::Stripped);
        }
        self.settle(host, Event::Asked(intent))
    }

    /// `size` bytes of the request's body came.
    pub fn on_request_body(&mut self, host: &mut impl Host, size: usize) -> Flow {
        if !self.exchange.reads_request_body() {
            return Flow::Continue;
        }
        let bytes = host.body(Direction::Request, size);
        self.settle(host, Event::RequestBody(&bytes))
    }

    /// The response's headers came.
    pub fn on_response_headers(&mut self, host: &mut impl Host) -> Flow {
        let response = match self.exchange {
            Exchange::Opening { .. } => self.response_to_opening(host),
            _ if self.exchange.reads_response_status() => response_to_steered(host),
            _ => return Flow::Continue,
        };
        self.settle(host, Event::ResponseHeaders(response))
    }

    /// `size` bytes of the response's body came.
    pub fn on_response_body(&mut self, host: &mut impl Host, size: usize) -> Flow {
        if !self.exchange.reads_response_body() {
            return Flow::Continue;
        }
        let bytes = host.body(Direction::Response, size);
        self.settle(host, Event::ResponseBody(&bytes))
    }

    /// What the exchange waited for has come. Says which message waited and what becomes of it;
    /// `None` if none does any more.
    pub fn on_wake(&mut self, host: &mut impl Host, wake: Wake) -> Option<(Direction, Flow)> {
        match (&self.exchange, wake) {
            (Exchange::Looking { .. }, Wake::Looked(found)) => {
                let found = self.reachable(found);
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
        self.worker.rests(self.id);
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
        (intent, head.client_steering.iter().map(|name| (*name).to_owned()).collect())
    }

    /// Takes an event, does what comes of it, and goes on until the message at hand passes, waits
    /// or is answered.
    fn settle(&mut self, host: &mut impl Host, mut event: Event<'_>) -> Flow {
        loop {
            let (exchange, verdict) = std::mem::take(&mut self.exchange).on(event);
            self.exchange = exchange;
            event = match verdict.act {
                Act::Place => Event::Placed(self.place(host)),
                Act::Look(key) => match self.look(host, key) {
                    Some(found) => Event::Looked(found),
                    None => return Flow::Wait,
                },
                Act::Bind(key, place) => match self.bind(host, key, place) {
                    Some(binding) => Event::Stored(binding),
                    None => return Flow::Wait,
                },
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
                    return Flow::Reply(reply.clone());
                }
            };
        }
    }

    fn place(&mut self, host: &mut impl Host) -> Place {
        let random = host.random().unwrap_or_else(|| {
            // Still spread over the pods, only easier to foresee.
            host.count(Metric::RandomMissing);
            host.now().0.wrapping_add(self.id.0).wrapping_mul(0x9e37_79b9_7f4a_7c15)
        });
        self.worker.config.steering.pick(random)
    }

    fn look(&mut self, host: &mut impl Host, key: SessionKey) -> Option<Lookup> {
        let now = host.now();
        let found = self.worker.store.look(host, self.id, key, now)?;
        Some(self.reachable(found))
    }

    /// A pin of another mode of steering is as good as none.
    fn reachable(&self, found: Lookup) -> Lookup {
        match found {
            Lookup::Live(pin) if !self.worker.config.steering.reaches(pin.place) => Lookup::Unknown,
            found => found,
        }
    }

    fn bind(&mut self, host: &mut impl Host, key: SessionKey, place: Place) -> Option<Binding> {
        let now = host.now();
        let address = host.upstream_address();
        let incarnation = address
            .and_then(|address| std::str::from_utf8(&address).ok()?.parse::<SocketAddr>().ok());
        let pin = Pin { place, incarnation, bound_at: now, used_at: now };
        self.worker.store.bind(host, self.id, key, pin, now)
    }

    fn steer(&mut self, host: &mut impl Host, place: Place) -> Result<(), Refused> {
        let steering = &self.worker.config.steering;
        for edit in steering.edits(&mut self.asked, place) {
            host.edit(Direction::Request, &edit)?;
        }
        self.sent_to = Some(place);
        host.annotate(Note::Pod, &steering.name(place));
        if let Exchange::Steered { key, .. } = self.exchange {
            self.worker.runs(self.id, key);
        }
        Ok(())
    }

    fn response_to_opening(&self, host: &impl Host) -> ResponseHead {
        let headers = host.response_headers();
        let (mut code, mut session) = (0, SessionHeader::None);
        let (mut content_type, mut content_encoding) = (None, None);
        for (name, value) in headers.iter() {
            match name {
                b":status" => code = status(value),
                b"mcp-session-id" => session.add(value),
                b"content-type" => content_type = Some(value),
                b"content-encoding" => content_encoding = Some(value),
                _ => {}
            }
        }
        let scope = &self.worker.config.scope;
        ResponseHead {
            status: code,
            source: Source::Pod,
            session: session.parse().map(|id| id.map(|id| scope.key(id))),
            media: Media::of(content_type, content_encoding),
        }
    }

    /// Does what the verdict causes, and tells counters, access log and log.
    fn conclude(&mut self, host: &mut impl Host, verdict: &Verdict) {
        for effect in &verdict.effects {
            match effect {
                Effect::Unbind(key) => {
                    self.worker.rests(self.id);
                    let now = host.now();
                    self.worker.store.unbind(host, key, None, now);
                }
            }
        }
        let Some(decision) = verdict.decision else { return };
        if let (Decision::Bound, Some(key)) = (decision, verdict.session) {
            self.worker.runs(self.id, key);
        }
        host.count(Metric::Decided(decision));
        host.annotate(Note::Decision, decision.name());
        let level = match decision {
            Decision::SteeringRefused | Decision::IdTaken | Decision::BadIdOfPod => Level::Warn,
            Decision::Lost => Level::Info,
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

fn response_to_steered(host: &impl Host) -> ResponseHead {
    let status = host.response_status();
    ResponseHead {
        status,
        // Asked only where it matters: it is one more crossing into the proxy.
        source: if status == 404 { host.response_source() } else { Source::Pod },
        session: None,
        media: Media::Other,
    }
}
