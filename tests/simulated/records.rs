//! What a simulated host keeps of exchanges and of itself.

use std::collections::{BTreeMap, HashMap};

use podpin::host::{Callout, Cause, SharedMap};
use podpin::http::Reply;

use crate::Pairs;

/// What came of a callback.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Step {
    Go,
    Wait,
    Reply(u16, Pairs, Vec<u8>),
}

/// One exchange, as a simulated host keeps it.
#[derive(Clone, Debug, Default)]
pub struct StreamRecord {
    pub request: Pairs,
    pub response: Pairs,
    pub body: Vec<u8>,
    pub address: Option<String>,
    /// Why the proxy answers in the place of the pod, if it does.
    pub cause: Option<Cause>,
    pub filter_state: BTreeMap<String, String>,
    /// The endpoint that the filter told the proxy to send it to.
    pub endpoint: Option<String>,
    pub reply: Option<(u16, Pairs, Vec<u8>)>,
    /// The details of the local reply, for the proxy's log.
    pub details: String,
    /// A message was paused.
    pub paused: bool,
    /// The exchange was broken off.
    pub broken: bool,
}

impl StreamRecord {
    /// Notes whether a callback paused, and says what came of it.
    pub fn step_after(&mut self, paused: bool) -> Step {
        assert!(paused || self.reply.is_none(), "one that answers must pause, or Envoy goes on");
        self.paused = paused;
        self.step()
    }

    pub fn step(&mut self) -> Step {
        match self.reply.take() {
            Some((status, headers, body)) => Step::Reply(status, headers, body),
            None if self.paused => Step::Wait,
            None => Step::Go,
        }
    }

    pub fn resume(&mut self) {
        assert!(std::mem::take(&mut self.paused), "only what is paused is resumed");
    }

    /// Answers as the filter wishes.
    pub fn reply(&mut self, reply: &Reply) {
        self.details = reply.details.clone();
        let headers = reply.headers().map(|(name, value)| (name.to_owned(), value.into_owned()));
        self.reply_with(reply.status, headers.collect(), reply.body.clone().into());
    }

    pub fn reply_with(&mut self, status: u16, headers: Pairs, body: Vec<u8>) {
        assert_eq!(self.reply, None, "Envoy hangs if it is told to answer twice");
        self.reply = Some((status, headers, body));
    }
}

/// What all exchanges share, as a simulated host keeps it.
#[derive(Clone, Debug, Default)]
pub struct ProxyRecord {
    pub shared: SharedMap,
    pub milliseconds: u64,
    pub randoms: u64,
    pub counters: HashMap<String, u64>,
    pub gauges: HashMap<String, u64>,
    pub log: Vec<String>,
    /// Callouts that were not asked about yet.
    pub calls: Vec<(u32, Callout)>,
    pub called: u32,
    /// The proxy has no such cluster.
    pub refuses_calls: bool,
    /// The proxy has no such filter-state object.
    pub refuses_filter_state: bool,
    pub has_no_randomness: bool,
}

impl ProxyRecord {
    /// Numbers that are spread over all of `u64`, the same in every run (SplitMix64).
    pub fn random(&mut self) -> u64 {
        self.randoms = self.randoms.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.randoms ^ (self.randoms >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Makes a callout, unless it is refused.
    pub fn call(&mut self, callout: &Callout) -> Option<u32> {
        if self.refuses_calls {
            return None;
        }
        self.called += 1;
        self.calls.push((self.called, callout.clone()));
        Some(self.called)
    }
}
