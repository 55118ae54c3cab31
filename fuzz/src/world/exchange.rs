//! Exchanges: what clients ask, what pods respond, and how far each has come.

use std::fmt;

use podpin::host::Cause;
use simulated::{Engine, Pairs, Step, StreamRecord};

use super::truth::{Name, Truth};
use super::{EXCHANGES, IDS, World};
use crate::input::Input;
use crate::workload::{AUTHORITY, FOREIGN, SUBJECT, check_sent, decision, pairs};

/// How far an exchange has come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Phase {
    /// The head of its request waits.
    RequestHeld,
    /// It was sent on.
    Sent,
    /// The head of its response waits.
    ResponseHeld,
    /// The body of its response comes.
    Responding,
    /// A piece of that waits.
    BodyHeld,
    Over,
}

impl Phase {
    pub(super) fn is_held(self) -> bool {
        matches!(self, Self::RequestHeld | Self::ResponseHeld | Self::BodyHeld)
    }
}

/// What a client asks.
#[derive(Clone, Debug)]
pub(super) struct Ask {
    headers: Pairs,
    /// The session that it names.
    session: Option<Name>,
    /// The id by which it does.
    id: Option<Vec<u8>>,
    opens: Opens,
    subject: Option<usize>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Opens {
    Nothing,
    Session,
    Stream,
}

/// One exchange.
pub(super) struct Exchange {
    pub(super) thread: usize,
    pub(super) number: u32,
    pub(super) phase: Phase,
    pub(super) ask: Ask,
    /// Where the request was sent, if the filter said where.
    pub(super) led: Option<String>,
    /// The session that the response may open.
    opening: Option<Name>,
    /// When the response began.
    responded_at: u64,
    /// It was answered.
    replied: bool,
    /// The decision that was last seen.
    decided: String,
}

impl fmt::Display for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { phase, ask, led, opening, decided, .. } = self;
        let led = led.as_deref().unwrap_or("-");
        write!(f, "{phase:?} {:?} to {led}, opens {opening:?}: {decided}", ask.session)
    }
}

/// What pods call sessions.
fn id(number: usize) -> String {
    format!("session-{number}")
}

const SUBJECTS: [&str; 2] = ["ann", "bob"];

// === impl Ask ===

impl Ask {
    fn new(method: &str, path: &str, session: Option<Name>, input: &mut Input<'_>) -> Self {
        let mut headers = pairs(&[
            (":method", method.as_bytes()),
            (":path", path.as_bytes()),
            (":scheme", b"http"),
            (":authority", AUTHORITY.as_bytes()),
        ]);
        let mut add = |name: &str, value: &[u8]| headers.push((name.to_owned(), value.to_vec()));
        let subject = input.below(3).checked_sub(1);
        if let Some(subject) = subject {
            add(SUBJECT, SUBJECTS[subject].as_bytes());
        }
        match input.below(8) {
            1 => add("x-podpin-host", FOREIGN.as_bytes()),
            2 => add("x-podpin-endpoint", b"MTAuOS44Ljc6ODA="),
            3 => add("x-envoy-original-dst-host", FOREIGN.as_bytes()),
            4 => add("content-type", b"application/grpc"),
            5 => add("mcp-protocol-version", b"2026-07-28"),
            6 => add("x-forwarded-host", b"other.example"),
            7 => add("authorization", b"Bearer token"),
            _ => {}
        }
        Self { headers, session, id: None, opens: Opens::Nothing, subject }
    }

    /// A request that may open a session.
    pub(super) fn open(input: &mut Input<'_>) -> Self {
        let path = input.one_of(&["/mcp", "/mcp/", "/mcp?a=b", "/elsewhere"]);
        Self { opens: Opens::Session, ..Self::new("POST", path, None, input) }
    }

    /// A request of a session.
    pub(super) fn of_session(input: &mut Input<'_>, truth: &Truth) -> Self {
        let number = input.below(IDS);
        let method = input.one_of(&["POST", "GET", "DELETE", "PUT"]);
        let (name, id) = match truth.sealed(number) {
            Some(sealed) => (Name::Sealed(sealed.to_vec()), sealed.to_vec()),
            None => (Name::Id(number), id(number).into_bytes()),
        };
        let mut ask = Self::new(method, "/mcp", Some(name), input);
        ask.headers.push(("mcp-session-id".to_owned(), id.clone()));
        Self { id: Some(id), ..ask }
    }

    /// A stream of HTTP+SSE.
    pub(super) fn open_stream(input: &mut Input<'_>) -> Self {
        Self { opens: Opens::Stream, ..Self::new("GET", "/sse", None, input) }
    }

    /// A message of HTTP+SSE.
    pub(super) fn message(input: &mut Input<'_>) -> Self {
        let number = input.below(IDS);
        let path = format!("/messages/?session_id={}", id(number));
        Self::new("POST", &path, Some(Name::Stream(number)), input)
    }

    /// A request with any id.
    pub(super) fn anything(input: &mut Input<'_>) -> Self {
        let path = input.one_of(&["/mcp", "/sse", "/messages/?sessionId=a&sessionid=b", ""]);
        let method = input.one_of(&["POST", "GET", "DELETE", ""]);
        let mut ask = Self::new(method, path, None, input);
        ask.opens = if (method, path) == ("GET", "/sse") { Opens::Stream } else { Opens::Session };
        for _ in 0..input.below(3) {
            ask.headers.push(("mcp-session-id".to_owned(), input.line().to_vec()));
        }
        ask
    }
}

// === impl World ===

impl World {
    /// One of the exchanges that are so far.
    pub(super) fn choose(
        &self,
        input: &mut Input<'_>,
        is_so_far: impl Fn(Phase) -> bool,
    ) -> Option<usize> {
        let so_far = |at: &usize| is_so_far(self.exchanges[*at].phase);
        let all: Vec<_> = (0..self.exchanges.len()).filter(so_far).collect();
        (!all.is_empty()).then(|| input.one_of(&all))
    }

    pub(super) fn ask(&mut self, ask: Ask, input: &mut Input<'_>) {
        if self.exchanges.len() >= EXCHANGES {
            return;
        }
        let thread = self.thread(input);
        let (number, step) = self.threads[thread].sim.request(ask.headers.clone());
        self.exchanges.push(Exchange {
            thread,
            number,
            phase: Phase::RequestHeld,
            ask,
            led: None,
            opening: None,
            responded_at: 0,
            replied: false,
            decided: String::new(),
        });
        self.take_calls(thread);
        self.proceed(self.exchanges.len() - 1, step);
    }

    pub(super) fn request_body(&mut self, input: &mut Input<'_>) {
        let Some(at) = self.choose(input, |phase| phase == Phase::Sent) else { return };
        let body: &[u8] = match input.below(6) {
            0 => br#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{}}"#,
            1 => br#"{"jsonrpc":"2.0","id":0,"me"#,
            2 => br#"thod":"initialize","params":{}}"#,
            3 => br#"{"jsonrpc":"2.0","id":1,"method":"tools/call"}"#,
            4 => b"",
            _ => input.line(),
        };
        let Exchange { thread, number, .. } = self.exchanges[at];
        let step = self.threads[thread].sim.request_body(number, body, input.flag());
        assert_eq!(step, Step::Go, "a body is held back");
    }

    pub(super) fn response(&mut self, input: &mut Input<'_>) {
        let Some(at) = self.choose(input, |phase| phase == Phase::Sent) else { return };
        let source = self.source(at, input);
        let status = input.one_of(&[
            "200", "202", "404", "400", "401", "410", "503", "500", "204", "405", "403", "429",
        ]);
        let number = input.below(IDS + 3);
        let mut head = pairs(&[(":status", status.as_bytes())]);
        let mut add = |name: &str, value: &[u8]| head.push((name.to_owned(), value.to_vec()));
        match number {
            number if number < IDS => add("mcp-session-id", id(number).as_bytes()),
            5 => {
                add("mcp-session-id", b"a");
                add("mcp-session-id", b"b");
            }
            6 => add("mcp-session-id", input.line()),
            _ => {}
        }
        let is_stream = self.exchanges[at].ask.opens == Opens::Stream;
        let content_type = match input.below(4) {
            0 if is_stream => "text/event-stream",
            0 => "application/json",
            1 => "text/event-stream",
            2 => "text/plain",
            _ => "",
        };
        add("content-type", content_type.as_bytes());
        match input.below(4) {
            1 => add("x-podpin-endpoint", b"MTAuOS44Ljc6ODA="),
            2 => add("www-authenticate", b"Bearer"),
            3 => add("content-length", b"1000"),
            _ => {}
        }
        let has_body = !input.flag();
        self.connected.insert(source.clone());
        let now = self.now();
        let exchange = &mut self.exchanges[at];
        exchange.responded_at = now;
        if number < IDS && status.starts_with('2') && exchange.ask.opens == Opens::Session {
            let name = Name::Id(number);
            exchange.opening = Some(name.clone());
            let place = exchange.led.clone().unwrap_or_else(|| source.clone());
            self.truth.may_be_at(name, place);
        }
        if exchange.ask.opens == Opens::Stream && exchange.led.is_none() {
            // The proxy has picked it.
            exchange.led = Some(source.clone());
        }
        exchange.phase = Phase::ResponseHeld;
        let (thread, number) = (exchange.thread, exchange.number);
        let step = self.threads[thread].sim.response_head(number, head, &source, has_body);
        self.take_calls(thread);
        self.proceed(at, step);
    }

    /// The proxy answers by itself.
    pub(super) fn local_reply(&mut self, at: usize, status: &str, cause: Cause) {
        let exchange = &mut self.exchanges[at];
        exchange.phase = Phase::ResponseHeld;
        let (thread, number) = (exchange.thread, exchange.number);
        let head = pairs(&[(":status", status.as_bytes()), ("content-type", b"text/plain")]);
        let step = self.threads[thread].sim.local_reply(number, head, "", cause);
        self.take_calls(thread);
        self.proceed(at, step);
    }

    pub(super) fn response_body(&mut self, input: &mut Input<'_>) {
        let has_body = |phase| matches!(phase, Phase::Responding | Phase::BodyHeld);
        let Some(at) = self.choose(input, has_body) else { return };
        let number = input.below(IDS);
        let endpoint = format!("event: endpoint\ndata: /messages/?session_id={}\n\n", id(number));
        let (begin, end) = endpoint.split_at(20);
        let body: &[u8] = match input.below(9) {
            0 => endpoint.as_bytes(),
            1 => begin.as_bytes(),
            2 => end.as_bytes(),
            3 => br#"{"jsonrpc":"2.0","id":0,"result":{}}"#,
            4 => br#"{"jsonrpc":"2.0","id":0,"error":{"code":-32000,"message":"no session"}}"#,
            5 => b"data: {\"id\":0,\"error\":{\"code\":-32600}}\n\n",
            6 => b"data: {\"id\":0,\"result\":{}}\n\n",
            7 => b"",
            _ => input.line(),
        };
        let exchange = &mut self.exchanges[at];
        let (thread, stream) = (exchange.thread, exchange.number);
        if exchange.ask.opens == Opens::Stream
            && let Some(place) = &exchange.led
        {
            // Which of the ids the pieces make up.
            (0..IDS).for_each(|id| self.truth.may_be_at(Name::Stream(id), place.clone()));
        }
        let step = self.threads[thread].sim.response_body(stream, body, false);
        self.take_calls(thread);
        let is_over = self.threads[thread].sim.record_mut(stream).broken;
        let exchange = &mut self.exchanges[at];
        match step {
            _ if is_over => exchange.phase = Phase::Over,
            Step::Go => {
                assert_eq!(exchange.phase, Phase::Responding, "what was held goes on by itself");
            }
            Step::Wait => exchange.phase = Phase::BodyHeld,
            Step::Reply(..) => panic!("answered in the midst of a response"),
        }
        self.look_at_decision(at);
    }

    pub(super) fn leave(&mut self, input: &mut Input<'_>) {
        let Some(at) = self.choose(input, |phase| phase != Phase::Over) else { return };
        let exchange = &mut self.exchanges[at];
        exchange.phase = Phase::Over;
        let (thread, number) = (exchange.thread, exchange.number);
        let before = self.ends(thread);
        self.threads[thread].sim.end(number);
        if self.ends(thread) != before {
            // The session of a stream.
            self.truth.all_may_have_ended();
        }
        self.take_calls(thread);
    }

    /// Sees which exchanges wait no longer.
    pub(super) fn settle(&mut self) {
        for at in 0..self.exchanges.len() {
            let Exchange { thread, number, phase, .. } = self.exchanges[at];
            if phase.is_held() {
                let step = self.threads[thread].sim.step(number);
                if self.threads[thread].sim.record_mut(number).broken {
                    self.exchanges[at].phase = Phase::Over;
                } else if step != Step::Wait {
                    self.proceed(at, step);
                }
            } else if phase != Phase::Over {
                let record = self.threads[thread].sim.record_mut(number);
                assert!(record.reply.is_none(), "answered although nothing waits");
                assert!(!record.paused, "paused by itself");
            }
        }
    }

    /// What comes of an exchange whose head or body was with the filter.
    fn proceed(&mut self, at: usize, step: Step) {
        self.look_at_decision(at);
        let exchange = &mut self.exchanges[at];
        match (step, exchange.phase) {
            (Step::Wait, _) => self.reached.waited += 1,
            (Step::Reply(status, headers, _), phase) => {
                assert!(!exchange.replied, "answered twice");
                assert_ne!(phase, Phase::BodyHeld, "answered in the midst of a response");
                exchange.replied = true;
                self.reached.replied += 1;
                if phase == Phase::RequestHeld {
                    // Envoy shows the filter its own answer, too.
                    let status = status.to_string();
                    let names = headers.iter().any(|(name, _)| name == "mcp-session-id");
                    assert!(!names, "its own answer names a session");
                    self.local_reply(at, &status, Cause::Other);
                    let exchange = &self.exchanges[at];
                    assert_eq!(exchange.phase, Phase::Responding, "its own answer is held back");
                }
                let exchange = &mut self.exchanges[at];
                exchange.phase = Phase::Over;
                let (thread, number) = (exchange.thread, exchange.number);
                self.threads[thread].sim.end(number);
                self.take_calls(thread);
            }
            (Step::Go, Phase::RequestHeld) => {
                exchange.phase = Phase::Sent;
                self.sent(at);
            }
            (Step::Go, Phase::ResponseHeld) => {
                exchange.phase = Phase::Responding;
                self.responded(at);
            }
            (Step::Go, Phase::BodyHeld) => exchange.phase = Phase::Responding,
            (Step::Go, Phase::Sent | Phase::Responding | Phase::Over) => {}
        }
    }

    fn record(&self, at: usize) -> StreamRecord {
        let Exchange { thread, number, .. } = self.exchanges[at];
        self.threads[thread].sim.record(number)
    }

    fn sent(&mut self, at: usize) {
        let record = self.record(at);
        let led = check_sent(self.mode(), &record);
        let now = self.now();
        let exchange = &mut self.exchanges[at];
        exchange.led = led.clone();
        if decision(&record) != "steered" {
            return;
        }
        self.reached.steered += 1;
        let name = exchange.ask.session.as_ref().expect("a session that was named");
        let place = led.expect("a place to steer to");
        self.truth.used(name, &place, exchange.ask.subject, now);
        if self.truth.is_sealed() {
            let ids = record.request.iter().filter(|(name, _)| name == "mcp-session-id");
            let ids: Vec<_> = ids.map(|(_, id)| id).collect();
            assert!(ids.len() == 1 && ids[0].starts_with(b"session-"), "the pod is shown {ids:?}");
        }
    }

    fn responded(&mut self, at: usize) {
        let record = self.record(at);
        assert!(!record.paused, "paused by itself");
        let named: Vec<_> =
            record.response.iter().filter(|(name, _)| name == "mcp-session-id").collect();
        let exchange = &self.exchanges[at];
        let is_ours = exchange.led.is_some();
        if self.mode() == crate::workload::Mode::Endpoint && is_ours {
            let shows = record.response.iter().any(|(name, _)| name == "x-podpin-endpoint");
            assert!(!shows, "clients need not know where pods are");
        }
        if decision(&record) == "steered" && self.truth.is_sealed() {
            let clients = exchange.ask.id.as_ref();
            assert!(
                named.iter().all(|(_, id)| Some(id) == clients),
                "the client is shown {named:?}"
            );
        }
        let length = record.response.iter().any(|(name, _)| name == "content-length");
        if length && record.response.iter().any(|(_, value)| value == b"application/json") {
            self.reached.replaced += 1;
        }
    }

    /// What an exchange has decided about its session.
    fn look_at_decision(&mut self, at: usize) {
        let record = self.record(at);
        let (decision, now) = (decision(&record), self.now());
        let exchange = &mut self.exchanges[at];
        if decision == exchange.decided {
            return;
        }
        exchange.decided.clone_from(&decision);
        let subject = exchange.ask.subject;
        match decision.as_str() {
            "bound" => {
                self.reached.bound += 1;
                let place = exchange.led.clone().or(record.address.clone()).expect("a place");
                // By then it was bound, whenever the store has said so.
                let at = exchange.responded_at;
                match (exchange.ask.opens, &exchange.opening) {
                    (Opens::Session, Some(Name::Id(id))) if self.truth.is_sealed() => {
                        let mut headers = record.response.iter();
                        let sealed = headers.find(|(name, _)| name == "mcp-session-id");
                        let sealed = sealed.expect("an id").1.clone();
                        self.truth.got(*id, sealed.clone());
                        let name = Name::Sealed(sealed);
                        exchange.opening = Some(name.clone());
                        self.truth.told(name, place, subject, at, now);
                    }
                    (Opens::Session, Some(name)) => {
                        self.truth.told(name.clone(), place, subject, at, now);
                    }
                    // Which of the ids the pieces make up; or one of another form.
                    _ => {}
                }
            }
            "lost" | "ended" | "undone" => match (&exchange.ask.session, &exchange.opening) {
                (Some(name), _) | (None, Some(name)) => self.truth.ended(name),
                (None, None) => {}
            },
            "unknown" | "expired" => {
                if let Some(name) = &exchange.ask.session {
                    self.truth.denied(name, now);
                }
            }
            _ => {}
        }
    }
}
