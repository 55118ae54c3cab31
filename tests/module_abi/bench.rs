//! An Envoy whose streams a test leads by hand, with a Redis for its pins.

use std::rc::Rc;

use kit::mini_redis::{Front, MiniRedis};
use kit::model::{Engine, Pairs, Step, example_plugin};
use serde_json::{Value, json};

use crate::envoy::Envoy;
use crate::envoy::stream::Stream;

/// Where pods are.
pub(crate) const POD: &str = "127.0.1.1:8080";

/// The result of an `initialize`.
pub(crate) const RESULT: &[u8] = br#"{"jsonrpc":"2.0","id":0,"result":{}}"#;

/// Envoy, and the Redis that answers its callouts.
pub(crate) struct Bench<const MINOR: u32> {
    pub(crate) envoy: Envoy<MINOR>,
    pub(crate) redis: MiniRedis,
    held: u32,
}

/// Header fields.
pub(crate) fn pairs(pairs: &[(&str, &str)]) -> Pairs {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect()
}

/// The headers of a request with these beside what every request has.
pub(crate) fn request(others: &[(&str, &str)]) -> Pairs {
    let all = [(":method", "POST"), (":path", "/mcp"), (":authority", "mcp.example")];
    pairs(&[&all[..], others].concat())
}

/// The headers of a response that names a session.
pub(crate) fn response(id: &str) -> Pairs {
    pairs(&[(":status", "200"), ("content-type", "application/json"), ("mcp-session-id", id)])
}

// === impl Bench ===

impl<const MINOR: u32> Bench<MINOR> {
    /// With a Redis, and no room beside it for more than a few pins.
    pub(crate) fn start() -> Self {
        Self::with(|_| {})
    }

    /// The same after a change of the configuration.
    pub(crate) fn with(change: impl FnOnce(&mut Value)) -> Self {
        let redis = MiniRedis::new(Front::Webdis);
        let mut plugin = example_plugin();
        plugin["store"] = redis.store();
        plugin["store"]["capacity"] = json!(8);
        change(&mut plugin);
        Self { envoy: Envoy::start(&plugin), redis, held: 0 }
    }

    /// The Redis answers whatever it is asked.
    pub(crate) fn answer(&mut self) {
        loop {
            let calls = self.envoy.calls();
            if calls.is_empty() {
                return;
            }
            for (call, callout) in calls {
                let now = self.envoy.proxy().milliseconds;
                let response = self.redis.response(&callout, now);
                self.envoy.respond_to_call(call, response);
            }
        }
    }

    /// A request up to its headers.
    pub(crate) fn ask(&mut self, headers: Pairs) -> (Rc<Stream>, Step) {
        let stream = self.envoy.stream(headers);
        let step = self.envoy.run(stream.number, Stream::request_headers);
        (stream, step)
    }

    /// An `initialize` up to the headers of its response, which are held.
    pub(crate) fn opening(&mut self, id: &str) -> Rc<Stream> {
        let (stream, step) = self.ask(request(&[]));
        assert_eq!(step, Step::Go);
        let step = self.envoy.request_body(stream.number, br#"{"method":"initialize"}"#, true);
        assert_eq!(step, Step::Go);
        assert_eq!(self.envoy.response(stream.number, response(id), POD), Step::Wait);
        stream
    }

    /// A session that is open.
    pub(crate) fn open(&mut self, id: &str) {
        let stream = self.opening(id);
        self.answer();
        assert_eq!(self.envoy.step(stream.number), Step::Go);
        assert_eq!(self.envoy.response_body(stream.number, RESULT, true), Step::Go);
        self.envoy.end(stream.number);
        self.answer();
    }

    /// A request for a session that only the Redis knows, since others took its place beside it.
    pub(crate) fn held(&mut self) -> Rc<Stream> {
        self.held_with(&[])
    }

    /// The same with these headers.
    pub(crate) fn held_with(&mut self, others: &[(&str, &str)]) -> Rc<Stream> {
        let ids: Vec<_> = (0..40).map(|number| format!("session-{number}-{}", self.held)).collect();
        self.held += 1;
        ids.iter().for_each(|id| self.open(id));
        for id in &ids {
            let (stream, step) =
                self.ask(request(&[&[("mcp-session-id", id.as_str())], others].concat()));
            if step == Step::Wait {
                return stream;
            }
            self.envoy.end(stream.number);
        }
        panic!("every pin is kept beside the Redis");
    }

    /// How high a counter is.
    pub(crate) fn counted(&self, name: &str) -> u64 {
        self.envoy.proxy().counters.get(&kit::counter(name)).copied().unwrap_or(0)
    }

    /// How many hooks panicked.
    pub(crate) fn panicked(&self) -> u64 {
        let counters = self.envoy.proxy().counters;
        let panics = counters.iter().filter(|(name, _)| name.ends_with("podpin_panicked_total"));
        panics.map(|(_, count)| count).sum()
    }
}
