//! Carries out what an [`Exchange`] decides, by the calls of a [`Host`].

use std::net::SocketAddr;
use std::rc::Rc;

use log::{Level, log, log_enabled};

use crate::decision::Decision;
use crate::exchange::{Act, Event, Exchange, ResponseHead, Verdict};
use crate::headers;
use crate::host::{Direction, Flow, Host, Note, Refused};
use crate::message::Media;
use crate::metrics::Metric;
use crate::pin::Pin;
use crate::plugin::Plugin;
use crate::request::{Head, SessionHeader};
use crate::session::SessionKey;
use crate::steer::Edit;
use crate::store::{Binding, Lookup, Wake};
use crate::workload::Ordinal;

/// The filter at work on one HTTP exchange.
#[derive(Debug)]
pub struct Filter<H> {
    host: H,
    id: u32,
    plugin: Rc<Plugin>,
    exchange: Exchange,
    /// The pod that the request was sent to.
    pod: Option<Ordinal>,
}

// === impl Filter ===

impl<H: Host> Filter<H> {
    /// A filter for the exchange that the proxy calls `id`.
    pub fn new(id: u32, plugin: Rc<Plugin>, host: H) -> Self {
        Self { host, id, plugin, exchange: Exchange::default(), pod: None }
    }

    /// The request's headers came.
    pub fn on_request_headers(&mut self) -> Flow {
        let headers = self.host.request_headers();
        let head = Head::read(&headers);
        if !head.client_steering.is_empty() {
            head.client_steering.iter().for_each(|name| self.host.remove_request_header(name));
            self.host.count(Metric::Stripped);
        }
        let intent = head.intent(&self.plugin.config.paths, &self.plugin.config.scope);
        self.settle(Event::Asked(intent), &head)
    }

    /// `size` bytes of the request's body came.
    pub fn on_request_body(&mut self, size: usize) -> Flow {
        if !self.exchange.reads_request_body() {
            return Flow::Continue;
        }
        let bytes = self.host.body(Direction::Request, size);
        self.settle(Event::RequestBody(&bytes), &Head::default())
    }

    /// The response's headers came.
    pub fn on_response_headers(&mut self) -> Flow {
        let response = match self.exchange {
            Exchange::Opening { .. } => self.response_to_opening(),
            _ if self.exchange.reads_response_status() => self.response_to_steered(),
            _ => return Flow::Continue,
        };
        self.settle(Event::ResponseHeaders(response), &Head::default())
    }

    /// `size` bytes of the response's body came.
    pub fn on_response_body(&mut self, size: usize) -> Flow {
        if !self.exchange.reads_response_body() {
            return Flow::Continue;
        }
        let bytes = self.host.body(Direction::Response, size);
        self.settle(Event::ResponseBody(&bytes), &Head::default())
    }

    /// What the exchange waited for has come.
    pub fn on_wake(&mut self, wake: Wake) {
        let (flow, direction) = match (&self.exchange, wake) {
            (Exchange::Looking { .. }, Wake::Looked(found)) => {
                let headers = self.host.request_headers();
                let flow = self.settle(Event::Looked(found), &Head::read(&headers));
                (flow, Direction::Request)
            }
            (Exchange::Binding { .. }, Wake::Stored(binding)) => {
                (self.settle(Event::Stored(binding), &Head::default()), Direction::Response)
            }
            _ => return,
        };
        if flow == Flow::Continue {
            self.host.resume(direction);
        }
    }

    /// The exchange is over, one way or another.
    pub fn on_end(&mut self) {
        self.plugin.rests(self.id);
        self.exchange = Exchange::Over;
    }

    /// Takes an event, does what comes of it, and goes on until the message passes, waits or is
    /// answered.
    fn settle(&mut self, mut event: Event<'_>, head: &Head<'_>) -> Flow {
        loop {
            let (exchange, verdict) = std::mem::take(&mut self.exchange).on(event);
            self.exchange = exchange;
            event = match verdict.act {
                Act::Place => Event::Placed(self.place()),
                Act::Look(key) => match self.look(key) {
                    Some(found) => Event::Looked(found),
                    None => return Flow::Wait,
                },
                Act::Bind(key, pod) => match self.bind(key, pod) {
                    Some(binding) => Event::Stored(binding),
                    None => return Flow::Wait,
                },
                Act::Steer(pod) => match self.steer(head, pod) {
                    Ok(()) => {
                        self.conclude(&verdict);
                        return Flow::Continue;
                    }
                    Err(Refused) => Event::SteeringRefused,
                },
                Act::Pass => {
                    self.conclude(&verdict);
                    return Flow::Continue;
                }
                Act::Reply(ref reply) => {
                    self.conclude(&verdict);
                    self.host.reply(reply);
                    return Flow::Replied;
                }
            };
        }
    }

    fn place(&mut self) -> Ordinal {
        let random = self.host.random().unwrap_or_else(|| {
            // Still spread over the pods, only easier to foresee.
            self.host.count(Metric::RandomMissing);
            self.host.now().0.wrapping_add(self.id.into()).wrapping_mul(0x9e37_79b9_7f4a_7c15)
        });
        self.plugin.config.placement.pick(random)
    }

    fn look(&mut self, key: SessionKey) -> Option<Lookup> {
        let now = self.host.now();
        self.plugin.store.look(&mut self.host, self.id, key, now)
    }

    fn bind(&mut self, key: SessionKey, pod: Ordinal) -> Option<Binding> {
        let now = self.host.now();
        let address = self.host.pod_address();
        let incarnation = address
            .and_then(|address| std::str::from_utf8(&address).ok()?.parse::<SocketAddr>().ok());
        let pin = Pin { ordinal: pod, incarnation, bound_at: now, used_at: now };
        self.plugin.store.bind(&mut self.host, self.id, key, pin, now)
    }

    fn steer(&mut self, head: &Head<'_>, pod: Ordinal) -> Result<(), Refused> {
        let plugin = &self.plugin;
        for edit in plugin.config.steering.edits(head, &plugin.config.workload, pod) {
            match edit {
                Edit::Header(name, value) => self.host.set_request_header(name, &value),
                Edit::FilterState(key, value) => self.host.set_filter_state(key, &value)?,
            }
        }
        self.pod = Some(pod);
        self.host.annotate(Note::Pod, &plugin.config.workload.pod(pod));
        if let Exchange::Steered { key, .. } = self.exchange {
            self.plugin.runs(self.id, key);
        }
        Ok(())
    }

    fn response_to_opening(&mut self) -> ResponseHead {
        let block = self.host.response_headers();
        let (mut status, mut session) = (0, SessionHeader::None);
        let (mut content_type, mut content_encoding) = (None, None);
        for (name, value) in &block {
            match name {
                b":status" => status = headers::status(value),
                b"mcp-session-id" => session.add(value),
                b"content-type" => content_type = Some(value),
                b"content-encoding" => content_encoding = Some(value),
                _ => {}
            }
        }
        let scope = &self.plugin.config.scope;
        ResponseHead {
            status,
            by_pod: true,
            session: session.parse().map(|id| id.map(|id| scope.key(id))),
            media: Media::of(content_type, content_encoding),
        }
    }

    fn response_to_steered(&mut self) -> ResponseHead {
        let status = self.host.response_status();
        ResponseHead {
            status,
            // Asked only where it matters: it is one more crossing.
            by_pod: status != 404 || self.host.response_is_of_pod(),
            session: None,
            media: Media::Other,
        }
    }

    /// Forgets the session if so decided, and tells counters, access log and log.
    fn conclude(&mut self, verdict: &Verdict) {
        if let (true, Some(key)) = (verdict.forget, &verdict.session) {
            self.plugin.rests(self.id);
            let now = self.host.now();
            self.plugin.store.unbind(&mut self.host, key, now);
        }
        let Some(decision) = verdict.decision else { return };
        if let (Decision::Bound, Some(key)) = (decision, verdict.session) {
            self.plugin.runs(self.id, key);
        }
        self.host.count(Metric::Decided(decision));
        self.host.annotate(Note::Decision, decision.name());
        let level = match decision {
            Decision::SteeringRefused | Decision::IdTaken | Decision::BadIdOfPod => Level::Warn,
            Decision::Lost => Level::Info,
            _ => Level::Debug,
        };
        if log_enabled!(level) {
            let session = verdict.session.map(|key| format!(" session {key}")).unwrap_or_default();
            let pod = self.pod.map(|pod| self.plugin.config.workload.pod(pod));
            let pod = pod.map(|pod| format!(" pod {pod}")).unwrap_or_default();
            log!(level, "{}:{session}{pod}", decision.name());
        }
    }
}
