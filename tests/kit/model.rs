//! A model of a proxy: routes requests of scenarios through an [`Engine`] to pods in this process.
//!
//! What the engine sees is what Envoy would show it: callbacks in Envoy's order, bodies in pieces,
//! and, while it has paused or answered, nothing.

use std::collections::HashSet;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, HttpBody};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use http_body_util::BodyExt;
use podpin::host::{CallResponse, Callout, Cause};
use serde_json::Value;
use tokio::runtime::Runtime;
use tower::ServiceExt;

use crate::bootstrap::{ADDRESSED, Bootstrap, PODS};
use crate::client::{Ask, Got};
use crate::dns::pod_ip;
use crate::driver::{Driver, Scene, VirtualTime};
use crate::mini_redis::{Front, MiniRedis};
use crate::mode::Mode;
use crate::pods::{App, SeenSoFar, noted};
use crate::sealed::sealed;
use crate::{DOMAIN, STATEFUL_SET, counter, note};

pub use simulated::{Engine, Pairs, ProxyRecord, Step, StreamRecord, details_of};

/// How long a pod may take to answer a callout.
const PATIENCE: Duration = Duration::from_millis(50);

/// A [`Driver`] of an engine.
pub struct Model<E> {
    pub engine: E,
    redis: Option<MiniRedis>,
    mode: Mode,
    app: App,
    pods: Vec<(Router, SeenSoFar)>,
    stopped: HashSet<usize>,
    balanced: usize,
    last: StreamRecord,
    held: Option<u32>,
    heard: Option<(u32, Body)>,
    runtime: Runtime,
}

impl<E: Engine> Model<E> {
    pub fn new(scene: Scene) -> Self {
        Self::start(scene, None, |_| {})
    }

    /// The same with pins that are sealed into ids.
    pub fn sealed(scene: Scene) -> Self {
        Self::start(scene, None, sealed)
    }

    /// The same with pins in a Redis.
    pub fn with_redis(scene: Scene, front: Front) -> Self {
        Self::start(scene, Some(MiniRedis::new(front)), |_| {})
    }

    fn start(scene: Scene, redis: Option<MiniRedis>, change: fn(&mut Value)) -> Self {
        let mut plugin = plugin_of(scene.mode);
        if let Some(redis) = &redis {
            plugin["store"] = redis.store();
        }
        change(&mut plugin);
        (scene.configure)(&mut plugin);
        let pod = |ordinal| {
            let seen = SeenSoFar::default();
            (noted(scene.pods.serve(ordinal), seen.clone()), seen)
        };
        Self {
            engine: E::start(&plugin),
            redis,
            mode: scene.mode,
            app: scene.pods,
            pods: (0..3).map(pod).collect(),
            stopped: HashSet::new(),
            balanced: 0,
            last: StreamRecord::default(),
            held: None,
            heard: None,
            runtime: Runtime::new().expect("a runtime"),
        }
    }

    fn exchange(&mut self, ask: Ask) -> (u32, Got) {
        let is_get = ask.method == Method::GET;
        let (stream, mut got, body) = self.begin(ask);
        if let Some(body) = body.filter(|_| !is_get || !got.status.is_success()) {
            got.body = self.pass(stream, body);
        }
        (stream, got)
    }

    /// An exchange up to the body of the pod's response, if that comes so far.
    fn begin(&mut self, ask: Ask) -> (u32, Got, Option<Body>) {
        let (stream, step) = self.engine.request(request_headers(&ask));
        if let Some(got) = replied(self.answered(stream, step)) {
            return (stream, got, None);
        }
        // In two pieces, the first of them often empty.
        let (first, rest) = ask.body.split_at(ask.body.len() / 3);
        for (bytes, last) in [(first, false), (rest, true)] {
            let step = self.engine.request_body(stream, bytes, last);
            if let Some(got) = replied(self.answered(stream, step)) {
                return (stream, got, None);
            }
        }
        let record = self.engine.record(stream);
        let ordinal = self.route(&record);
        if self.stopped.contains(&ordinal) {
            let got = self.refused(stream, &address_of(ordinal));
            return (stream, got, None);
        }
        let (pod, seen) = &self.pods[ordinal];
        let request = http_request(&record.request, ask.body);
        let Ok(response) = self.runtime.block_on(pod.clone().oneshot(request));
        let (head, body) = response.into_parts();
        let seen = seen.lock().unwrap().pop().map(|seen| (ordinal, seen));
        let address = address_of(ordinal);
        let mut pairs = vec![(":status".to_owned(), head.status.as_str().into())];
        pairs.extend(head.headers.iter().map(|(n, v)| (n.to_string(), v.as_bytes().to_vec())));
        // What Envoy's stateful_session adds.
        let base64 = endpoint_header(&record.request);
        let is_added = self.mode == Mode::Endpoint && record.endpoint.is_none();
        if is_added && base64 != Some(STANDARD.encode(&address)) {
            pairs.push(("x-podpin-endpoint".to_owned(), STANDARD.encode(&address).into()));
        }
        let has_body = !body.is_end_stream();
        let step = self.engine.response_head(stream, pairs, &address, has_body);
        if let Some(got) = replied(self.answered(stream, step)) {
            return (stream, Got { pod: seen, ..got }, None);
        }
        let (status, headers) = parts(self.engine.record(stream).response);
        assert!(!headers.contains_key("x-podpin-endpoint"), "clients need not know where pods are");
        let got = Got { status, headers, body: Vec::new(), pod: seen };
        (stream, got, has_body.then_some(body))
    }

    /// Envoy's own answer for a pod that takes no connections.
    fn refused(&mut self, stream: u32, address: &str) -> Got {
        let mut head: Pairs = vec![
            (":status".to_owned(), "503".into()),
            ("content-type".to_owned(), "text/plain".into()),
        ];
        // What stateful_session and a strict cluster make of it is a matter of health, not shown here.
        head.push(("content-length".to_owned(), "7".into()));
        let step = self.engine.local_reply(stream, head, address, Cause::Unreachable);
        if let Some(got) = replied(self.answered(stream, step)) {
            return got;
        }
        let (status, headers) = parts(self.engine.record(stream).response);
        let mut body = Vec::new();
        self.pass_piece(stream, b"refused", true, &mut body);
        self.answered(stream, Step::Go);
        Got { status, headers, body, pod: None }
    }

    /// Answers all callouts; what an exchange that waited does then.
    fn answered(&mut self, stream: u32, step: Step) -> Step {
        let mut calls = self.engine.calls();
        while !calls.is_empty() {
            for (call, callout) in calls {
                let now = self.engine.proxy().milliseconds;
                let response = match &mut self.redis {
                    _ if [PODS, ADDRESSED].contains(&callout.cluster.as_str()) => {
                        self.pod_answers(callout)
                    }
                    Some(redis) => redis.response(&callout, now),
                    None => panic!("no callout without a Redis"),
                };
                self.engine.respond_to_call(call, response);
            }
            calls = self.engine.calls();
        }
        if step == Step::Wait { self.engine.step(stream) } else { step }
    }

    /// A callout to a pod, by its name.
    fn pod_answers(&self, callout: Callout) -> CallResponse {
        let headers = ["x-podpin-endpoint", "x-envoy-original-dst-host"];
        let mut steered = callout.headers.iter();
        let steered = steered.find(|(name, _)| headers.contains(&name.as_str()));
        let ordinal = match steered {
            Some((_, address)) => at_address(&address.0),
            None => ordinal_of(&callout.authority),
        };
        let ordinal = ordinal.expect("a pod");
        if self.stopped.contains(&ordinal) {
            return CallResponse { status: 503, body: Vec::new(), is_from_server: false };
        }
        let mut pairs: Pairs = vec![
            (":method".to_owned(), callout.method.into()),
            (":path".to_owned(), callout.path.into()),
            (":authority".to_owned(), callout.authority.into()),
        ];
        let headers = callout.headers.into_iter();
        pairs.extend(headers.map(|(name, value)| (name, value.0.into())));
        let request = http_request(&pairs, callout.body);
        let pod = self.pods[ordinal].0.clone().oneshot(request);
        let answered = async { tokio::time::timeout(PATIENCE, pod).await };
        let Ok(Ok(response)) = self.runtime.block_on(answered) else {
            return CallResponse { status: 504, body: Vec::new(), is_from_server: false };
        };
        let status = response.status().as_u16();
        let body = self.runtime.block_on(response.into_body().collect()).expect("a whole body");
        CallResponse { status, body: body.to_bytes().to_vec(), is_from_server: true }
    }

    /// Envoy's routes of the mode's example.
    fn route(&mut self, record: &StreamRecord) -> usize {
        let header = |wanted| {
            let field = record.request.iter().find(|(name, _)| name == wanted);
            field.map(|(_, value)| String::from_utf8_lossy(value).into_owned())
        };
        let steered = match self.mode {
            _ if record.endpoint.is_some() => record.endpoint.as_deref().and_then(at_address),
            Mode::Authority => header(":authority").and_then(|host| ordinal_of(&host)),
            Mode::DynamicHost => {
                let host = record.filter_state.get("envoy.upstream.dynamic_host");
                host.and_then(|host| ordinal_of(host))
            }
            Mode::OriginalDst => {
                header("x-envoy-original-dst-host").and_then(|address| at_address(&address))
            }
            Mode::OverrideHost => endpoint_header(&record.request).and_then(|it| at_address(&it)),
            Mode::Endpoint => endpoint_header(&record.request).and_then(|base64| {
                let address = STANDARD.decode(base64).expect("base64");
                at_address(&String::from_utf8_lossy(&address))
            }),
        };
        match steered {
            Some(ordinal) if record.filter_state.contains_key(&note("pod")) => ordinal,
            // What cannot be reached is tried once more, which gets to the next.
            _ => {
                self.balanced += 1;
                if self.stopped.contains(&(self.balanced % self.pods.len())) {
                    self.balanced += 1;
                }
                self.balanced % self.pods.len()
            }
        }
    }

    fn pass(&mut self, stream: u32, mut body: Body) -> Vec<u8> {
        let mut bytes = Vec::new();
        while let Some(frame) = self.runtime.block_on(body.frame()) {
            let frame = frame.expect("a pod does not break off").into_data().unwrap_or_default();
            for piece in frame.chunks(13) {
                self.pass_piece(stream, piece, false, &mut bytes);
            }
        }
        self.pass_piece(stream, &[], true, &mut bytes);
        self.answered(stream, Step::Go);
        bytes
    }
}

impl<E: Engine> Model<E> {
    fn pass_piece(&mut self, stream: u32, piece: &[u8], last: bool, passed: &mut Vec<u8>) {
        let step = self.engine.response_body(stream, piece, last);
        assert_eq!(self.answered(stream, step), Step::Go);
        passed.extend(self.engine.record(stream).body);
    }
}

impl<E: Engine> Driver for Model<E> {
    fn send(&mut self, ask: Ask) -> Got {
        let (stream, got) = self.exchange(ask);
        self.engine.end(stream);
        self.answered(stream, Step::Go);
        self.last = self.engine.record(stream);
        got
    }

    fn listen(&mut self, ask: Ask) -> (Got, String) {
        let (stream, got, body) = self.begin(ask);
        let mut body = body.expect("a stream");
        let mut text = Vec::new();
        while !text.ends_with(b"\n\n") && !text.ends_with(b"\r\n\r\n") {
            let frame = self.runtime.block_on(body.frame()).expect("an event");
            let frame = frame.expect("a pod does not break off").into_data().unwrap_or_default();
            for piece in frame.chunks(13) {
                let step = self.engine.response_body(stream, piece, false);
                assert_eq!(self.answered(stream, step), Step::Go);
                text.extend(piece);
            }
        }
        self.heard = Some((stream, body));
        (got, String::from_utf8(text).expect("text"))
    }

    fn hang_up(&mut self) {
        let (stream, body) = self.heard.take().expect("a stream is open");
        drop(body);
        self.engine.end(stream);
        self.answered(0, Step::Go);
    }

    fn stop(&mut self, ordinal: usize) {
        self.stopped.insert(ordinal);
        // As long as a process takes to end.
        self.engine.advance(Duration::from_millis(100));
        self.answered(0, Step::Go);
    }

    fn counts_to(&mut self, name: &str, count: u64) {
        assert_eq!(self.counter(name), count);
    }

    fn restart(&mut self, ordinal: usize) {
        self.stopped.remove(&ordinal);
        // As long as a process takes to start.
        self.engine.advance(Duration::from_millis(100));
        self.answered(0, Step::Go);
        let seen = self.pods[ordinal].1.clone();
        self.pods[ordinal].0 = noted(self.app.serve(ordinal), seen);
    }

    fn counter(&mut self, name: &str) -> u64 {
        self.engine.proxy().counters.get(&counter(name)).copied().unwrap_or(0)
    }

    fn noted(&mut self) -> (String, String) {
        let state = |name: &str| self.last.filter_state.get(name).cloned().unwrap_or("-".into());
        (state(&note("decision")), state(&note("pod")))
    }

    fn place(&self, ordinal: usize) -> String {
        match self.mode.is_by_name() {
            true => format!("{STATEFUL_SET}-{ordinal}"),
            false => address_of(ordinal),
        }
    }
}

impl<E: Engine> VirtualTime for Model<E> {
    fn advance(&mut self, time: Duration) {
        self.engine.advance(time);
        self.answered(0, Step::Go);
    }

    fn hold(&mut self, ask: Ask) {
        let (stream, got) = self.exchange(ask);
        assert_eq!(got.status, StatusCode::OK);
        self.held = Some(stream);
    }

    fn close(&mut self) {
        self.engine.end(self.held.take().expect("something is held open"));
        self.answered(0, Step::Go);
    }
}

/// The pod of this name.
fn ordinal_of(host: &str) -> Option<usize> {
    let host = host.strip_suffix(":8080").unwrap_or(host);
    let pod = host.strip_suffix(&format!(".{DOMAIN}"))?;
    pod.strip_prefix(STATEFUL_SET)?.strip_prefix('-')?.parse().ok()
}

/// The pod at this address.
fn at_address(address: &str) -> Option<usize> {
    (0..3).find(|ordinal| address_of(*ordinal) == address)
}

fn address_of(ordinal: usize) -> String {
    format!("{}:8080", pod_ip(ordinal))
}

fn endpoint_header(request: &Pairs) -> Option<String> {
    let field = request.iter().find(|(name, _)| name == "x-podpin-endpoint")?;
    Some(String::from_utf8_lossy(&field.1).into_owned())
}

/// The filter's configuration in the main example.
pub fn example_plugin() -> Value {
    plugin_of(Mode::Authority)
}

/// The filter's configuration in the example of a mode.
pub fn plugin_of(mode: Mode) -> Value {
    let mut plugin = Value::Null;
    let example = Bootstrap::example(mode.example()).expect("an example");
    example.plugin(|value| plugin = value.clone());
    plugin
}

fn request_headers(ask: &Ask) -> Pairs {
    let mut pairs: Pairs = vec![
        (":method".to_owned(), ask.method.as_str().into()),
        (":path".to_owned(), ask.path.clone().into()),
        (":scheme".to_owned(), b"http".to_vec()),
        (":authority".to_owned(), b"mcp.example".to_vec()),
    ];
    pairs.extend(ask.headers.iter().map(|(n, v)| (n.to_string(), v.as_bytes().to_vec())));
    pairs
}

fn http_request(pairs: &Pairs, body: Vec<u8>) -> http::Request<Body> {
    let mut request = http::Request::new(Body::from(body));
    for (name, value) in pairs {
        let value = HeaderValue::from_bytes(value).expect("a header value");
        match name.as_str() {
            ":method" => *request.method_mut() = value.as_bytes().try_into().expect("a method"),
            ":path" => *request.uri_mut() = value.as_bytes().try_into().expect("a path"),
            ":authority" => drop(request.headers_mut().insert("host", value)),
            ":scheme" => {}
            name => {
                let name: HeaderName = name.parse().expect("a header name");
                request.headers_mut().append(name, value);
            }
        }
    }
    request
}

fn replied(step: Step) -> Option<Got> {
    match step {
        Step::Go => None,
        Step::Wait => panic!("the filter waits and nothing will wake it"),
        Step::Reply(status, pairs, body) => {
            let status = (":status".to_owned(), status.to_string().into());
            let (status, headers) = parts([status].into_iter().chain(pairs).collect());
            Some(Got { status, headers, body, pod: None })
        }
    }
}

/// Status and headers of a response.
fn parts(pairs: Pairs) -> (StatusCode, HeaderMap) {
    let (mut status, mut headers) = (None, HeaderMap::new());
    for (name, value) in pairs {
        match name.as_str() {
            ":status" => status = StatusCode::from_bytes(&value).ok(),
            name => {
                let value = HeaderValue::from_bytes(&value).expect("a header value");
                headers.append(name.parse::<HeaderName>().expect("a header name"), value);
            }
        }
    }
    (status.expect("a status"), headers)
}
