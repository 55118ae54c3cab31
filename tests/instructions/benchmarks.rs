//! What is counted. Each benchmark prepares what it needs, runs once without being counted, so that nothing is
//! there for the first time, and then [`counted`].

use std::hint::black_box;
use std::sync::Arc;

use podpin::config::{Config, Variable};
use podpin::filter::Filter;
use podpin::host::{ExchangeId, Flow};
use podpin::http::Packed;
use podpin::message::{Opens, RequestPeek};
use podpin::pods::{Ordinal, Place};
use podpin::session::{Pin, Scope, SessionKey, User};
use podpin::store::{Lookup, Store};
use podpin::telemetry::Decision;
use podpin::worker::Worker;

use crate::host::CheapHost;

/// A benchmark does its work so often, and what it took is divided by that.
pub(crate) const TIMES: usize = 200;

/// Sessions that are used again and again.
const FEW: usize = 50;

/// One thing that the core does.
pub(crate) struct Benchmark {
    pub(crate) name: &'static str,
    run: fn() -> u64,
}

impl Benchmark {
    pub(crate) const ALL: [Self; 13] = [
        Self { name: "authority", run: || used(AUTHORITY, AUTHORITY, FEW) },
        Self { name: "dynamic_host", run: || used(DYNAMIC_HOST, DYNAMIC_HOST, FEW) },
        Self { name: "endpoint", run: || used(ENDPOINT, ENDPOINT, FEW) },
        Self { name: "redis_near_hit", run: || used(AUTHORITY, REDIS, FEW) },
        Self { name: "sealed", run: || used(SEALED, SEALED, FEW) },
        Self { name: "sealed_first_use", run: || used(SEALED, SEALED, 2 * TIMES) },
        Self { name: "subject_by_header", run: || used(SUBJECT, SUBJECT, FEW) },
        Self { name: "initialize", run: initialize },
        Self { name: "sessionless", run: || passed(SESSIONLESS, Decision::Sessionless, 200) },
        Self { name: "elsewhere", run: || passed(ELSEWHERE, Decision::Elsewhere, 200) },
        Self { name: "unknown", run: || passed(UNKNOWN, Decision::Unknown, 404) },
        Self { name: "full_table", run: full_table },
        Self { name: "peek_64_kb", run: peek },
    ];

    /// Runs it. Says how often the host was called, on average.
    pub(crate) fn run(&self) -> f64 {
        (self.run)() as f64 / TIMES as f64
    }
}

/// Does some work again and again. Callgrind counts while this runs, so it must stay a function of its own.
#[inline(never)]
fn counted(host: &mut CheapHost, work: &mut dyn FnMut(&mut CheapHost, usize)) -> u64 {
    let before = host.calls();
    (0..TIMES).for_each(|time| work(host, time));
    host.calls() - before
}

// === configurations

/// Puts the workload before the other keys of a configuration.
macro_rules! config {
    ($keys:literal) => {
        concat!(
            r#"{"workload": {"stateful_set": "myserver", "service": "mcp-myserver-headless","#,
            r#""namespace": "default", "replicas": 3, "port": 8080}, "#,
            $keys,
            "}"
        )
    };
}

const AUTHORITY: &str = config!(r#""steer": "authority""#);
const DYNAMIC_HOST: &str = config!(r#""steer": "dynamic_host""#);
const ENDPOINT: &str = config!(r#""steer": "endpoint""#);
const REDIS: &str = config!(r#""store": {"kind": "redis", "cluster": "webdis"}"#);
const SEALED: &str = config!(
    r#""store": {"kind": "sealed", "keys": [{"id": "a",
        "key": "5e0c7a9d31f24b8896d2ab470fe3c15872bb1940dc6e35a7f8031d9c64ea2b7f"}]}"#
);
const SUBJECT: &str = config!(r#""session": {"bind_to": [{"header": "x-user"}]}"#);

fn worker(config: &str, host: &mut CheapHost) -> Arc<Worker> {
    Worker::start(parsed(config), host)
}

fn parsed(config: &str) -> Config {
    Config::parse(config.as_bytes(), &|_| Variable::Missing).expect("a right configuration")
}

// === messages

const INITIALIZE: &str = r#"{"jsonrpc":"2.0","id":0,"method":"initialize",
    "params":{"protocolVersion":"2025-06-18","capabilities":{"roots":{"listChanged":true}},
    "clientInfo":{"name":"client","version":"1.0.0"}}}"#;
const INITIALIZED: &str = r#"{"jsonrpc":"2.0","id":0,"result":{
    "protocolVersion":"2025-06-18","capabilities":{"tools":{"listChanged":true}},
    "serverInfo":{"name":"server","version":"1.0.0"}}}"#;
const CALL: &str = r#"{"jsonrpc":"2.0","id":7,"method":"tools/call",
    "params":{"name":"add","arguments":{"a":1,"b":2}}}"#;
const RESULT: &str = r#"{"jsonrpc":"2.0","id":7,
    "result":{"content":[{"type":"text","text":"3"}]}}"#;

type Headers<'a> = &'a [(&'a str, &'a str)];

const ELSEWHERE: Headers<'_> = &[(":path", "/api/health")];
const SESSIONLESS: Headers<'_> = &[(":path", "/mcp"), ("mcp-protocol-version", "2026-07-28")];
const UNKNOWN: Headers<'_> = &[
    (":path", "/mcp"),
    ("mcp-protocol-version", "2025-06-18"),
    ("mcp-session-id", "5f0cf7d4-ab2e-4f3c-b1a9-3b1fb7d6f0aa"),
];

/// A request as Envoy shows it to its filters.
fn request(headers: Headers<'_>) -> Packed {
    let usual = [
        (":authority", "mcp.example.com"),
        (":method", "POST"),
        (":scheme", "https"),
        ("accept", "application/json, text/event-stream"),
        ("accept-encoding", "gzip, deflate"),
        ("content-type", "application/json"),
        ("user-agent", "python-httpx/0.28.1"),
        ("content-length", "88"),
        ("x-forwarded-for", "192.0.2.17"),
        ("x-forwarded-proto", "https"),
        ("x-request-id", "b2a4c6de-0f12-4a57-9c1b-7f7a50d2c3e4"),
    ];
    usual.iter().chain(headers).copied().collect()
}

/// The response of a pod.
fn response(status: &str, session: &str) -> Packed {
    let usual = [
        (":status", status),
        ("content-type", "application/json"),
        ("content-length", "76"),
        ("date", "Fri, 14 Nov 2025 09:30:00 GMT"),
        ("server", "uvicorn"),
        ("x-envoy-upstream-service-time", "2"),
        ("mcp-session-id", session),
    ];
    usual.into_iter().collect()
}

/// An id as the SDKs make them.
fn id(number: usize) -> String {
    format!("{:08x}-3c1d-4e8f-9a2b-{number:012x}", number.wrapping_mul(0x9e37_79b9) as u32)
}

// === exchanges

/// The headers of a request and its response.
struct Messages {
    request: Packed,
    response: Packed,
    status: u16,
    bodies: [&'static str; 2],
}

/// One whole exchange, by all that Envoy calls.
fn exchange(host: &mut CheapHost, worker: &Arc<Worker>, number: usize, messages: &mut Messages) {
    let [asked, answered] = messages.bodies;
    std::mem::swap(&mut host.request, &mut messages.request);
    std::mem::swap(&mut host.response, &mut messages.response);
    host.status = messages.status;
    let mut filter = Filter::new(ExchangeId(number as u64), worker.clone());
    if black_box(filter.on_request_headers(host)) == Flow::Continue {
        host.body = asked;
        let _ = black_box(filter.on_request_body(host, asked.len()));
    }
    let _ = black_box(filter.on_response_headers(host, true));
    host.body = answered;
    let _ = black_box(filter.on_response_body(host, answered.len()));
    filter.on_end(host);
    drop(filter);
    std::mem::swap(&mut host.request, &mut messages.request);
    std::mem::swap(&mut host.response, &mut messages.response);
}

/// Opens a session.
fn opening(number: usize) -> Messages {
    Messages {
        request: request(&[(":path", "/mcp"), ("x-user", "somebody@example.com")]),
        response: response("200", &id(number)),
        status: 200,
        bodies: [INITIALIZE, INITIALIZED],
    }
}

/// Calls a tool in a session, which the client knows by the id `clients`.
fn call(number: usize, clients: &str) -> Messages {
    let headers = [
        (":path", "/mcp"),
        ("mcp-protocol-version", "2025-06-18"),
        ("x-user", "somebody@example.com"),
        ("mcp-session-id", clients),
    ];
    Messages {
        request: request(&headers),
        response: response("200", &id(number)),
        status: 200,
        bodies: [CALL, RESULT],
    }
}

/// Requests of so many bound sessions in turn, which are opened as one configuration says and used as another
/// does. Of `2 * TIMES` each is used for the first time.
fn used(opened: &str, used: &str, sessions: usize) -> u64 {
    let host = &mut CheapHost::new();
    let opener = worker(opened, host);
    let mut calls: Vec<_> = (0..sessions)
        .map(|number| {
            exchange(host, &opener, number, &mut opening(number));
            assert_eq!(host.decision, Some(Decision::Bound));
            // Where ids are sealed the client gets another than the pod's.
            let clients = host.session_id.take();
            call(number, &clients.unwrap_or_else(|| id(number)))
        })
        .collect();
    let worker = worker(used, host);
    let mut work = |host: &mut CheapHost, time: usize| {
        exchange(host, &worker, time, &mut calls[time % sessions]);
    };
    (0..TIMES).for_each(|time| work(host, time));
    let count = counted(host, &mut |host, time| work(host, TIMES + time));
    assert_eq!(host.decision, Some(Decision::Steered));
    assert_eq!(
        host.session_id.is_some(),
        used == SEALED,
        "the pod's id is replaced if it is sealed"
    );
    count
}

/// Openings of sessions, each another.
fn initialize() -> u64 {
    let host = &mut CheapHost::new();
    let worker = worker(AUTHORITY, host);
    let mut openings: Vec<_> = (0..2 * TIMES).map(opening).collect();
    let (first, second) = openings.split_at_mut(TIMES);
    first.iter_mut().enumerate().for_each(|(time, it)| exchange(host, &worker, time, it));
    let mut work =
        |host: &mut CheapHost, time: usize| exchange(host, &worker, time, &mut second[time]);
    let count = counted(host, &mut work);
    assert_eq!(host.decision, Some(Decision::Bound));
    count
}

/// Requests that belong to no session that is known.
fn passed(headers: Headers<'_>, decision: Decision, status: u16) -> u64 {
    let host = &mut CheapHost::new();
    let worker = worker(AUTHORITY, host);
    let mut messages = Messages {
        request: request(headers),
        response: response(&status.to_string(), "unused"),
        status,
        bodies: [CALL, RESULT],
    };
    let mut work = |host: &mut CheapHost, time| exchange(host, &worker, time, &mut messages);
    (0..TIMES).for_each(|time| work(host, time));
    let count = counted(host, &mut work);
    assert_eq!(host.decision, Some(decision));
    count
}

// === parts

/// Look-ups of a table for a million sessions, in buckets that are full.
fn full_table() -> u64 {
    const CAPACITY: u32 = 1_000_000;
    /// All sessions are in so many of the table's buckets, and fill them.
    const FILLED: u64 = 64;
    const SESSIONS: u64 = FILLED * 8;
    let host = &mut CheapHost::new();
    let mut config = parsed(AUTHORITY);
    config.store.capacity = CAPACITY;
    let (scope, places) = (Scope::new("default/myserver"), config.steering.places());
    let store = Store::open(&config.store, &scope, config.lifetime, places, false, host);
    let buckets = u64::from(store.parts());
    let now = host.now;
    let key = |number: u64| {
        // Half a key, modulo their number, tells a bucket; the rest tells sessions apart.
        let mut mixed = (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        mixed = (mixed ^ mixed >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let [first, second] =
            [mixed >> 32, mixed >> 48].map(|bits| bits % FILLED + buckets * number);
        SessionKey::from_bytes((u128::from(first) << 64 | u128::from(second)).to_be_bytes())
    };
    for number in 0..SESSIONS {
        let place = Place::Pod(Ordinal((number % 3) as u32));
        let incarnation = CheapHost::POD.parse().ok();
        let pin = Pin { place, incarnation, subject: None, bound_at: now, used_at: now };
        let _ = store.bind(host, ExchangeId(number), key(number), pin, now);
    }
    let mut live = Vec::new();
    let look =
        |host: &mut CheapHost, key| store.look(host, ExchangeId(0), key, User::Client(None), now);
    for key in (0..SESSIONS).map(key) {
        live.extend(matches!(look(host, key), Some(Lookup::Live(_))).then_some(key));
    }
    // A few had to give way.
    assert!(live.len() as u64 > SESSIONS * 9 / 10, "{} live", live.len());
    // Spread over all of them.
    let mut work = |host: &mut CheapHost, time: usize| {
        let found = look(host, live[time * live.len() / TIMES]);
        assert!(matches!(found, Some(Lookup::Live(_))));
    };
    (0..TIMES).for_each(|time| work(host, time));
    counted(host, &mut work)
}

/// The peek into a request without a session whose method comes after 64 KB of parameters: it gives up
/// before.
fn peek() -> u64 {
    let text = "Lorem ipsum dolor sit amet, \\\"consectetur\\\" adipiscing elit.\\n ".repeat(1024);
    let body =
        format!(r#"{{"id":1,"params":{{"arguments":{{"text":"{text}"}}}},"method":"tools/call"}}"#);
    let mut work = |_: &mut CheapHost, _| {
        let mut peek = RequestPeek::default();
        body.as_bytes().chunks(16 * 1024).for_each(|piece| peek.read(black_box(piece)));
        assert_eq!(peek.opens(), Opens::Unknown);
    };
    counted(&mut CheapHost::new(), &mut work)
}
