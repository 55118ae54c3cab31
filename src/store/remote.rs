//! A Redis that several proxies share, asked through HTTP callouts.
//!
//! Every command has one call, and every call one answer. Lookups of one session share a call.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use log::{info, warn};

use super::breaker::Breaker;
use super::redis::Reply;
use super::{Binding, Lookup, record};
use crate::config::{Config, RedisConfig};
use crate::host::{CallAnswer, CallId, Callout, Host, Refused};
use crate::metrics::Metric;
use crate::pin::{Lifetime, Pin, Timestamp};
use crate::session::SessionKey;
use crate::workload::StatefulSet;

/// A Redis behind an HTTP front.
#[derive(Debug)]
pub(super) struct Remote {
    redis: RedisConfig,
    workload: StatefulSet,
    lifetime: Lifetime,
    breaker: RefCell<Breaker>,
    calls: RefCell<BTreeMap<CallId, Purpose>>,
}

/// Why a call was made.
#[derive(Clone, Debug)]
enum Purpose {
    /// To look a session up, for so many exchanges.
    Look { key: SessionKey, streams: Vec<u32> },
    /// To bind one, unless its id is taken.
    Bind { key: SessionKey, pin: Pin, stream: Option<u32> },
    /// To see by whom it is taken.
    Compare { key: SessionKey, pin: Pin, stream: Option<u32> },
    /// To keep one from idling out.
    Keep { key: SessionKey, pin: Pin },
    /// Nobody waits for what comes of it.
    Forget,
}

/// What came of a call.
pub(super) enum Answered {
    Looked { key: SessionKey, streams: Vec<u32>, found: Lookup },
    Stored { key: SessionKey, pin: Pin, stream: Option<u32>, binding: Binding },
    Nothing,
}

// === impl Remote ===

impl Remote {
    pub(super) fn new(redis: RedisConfig, config: &Config) -> Self {
        Self {
            redis,
            workload: config.workload.clone(),
            lifetime: config.lifetime,
            breaker: RefCell::default(),
            calls: RefCell::default(),
        }
    }

    /// Asks for a session. False if that cannot be done now.
    pub(super) fn look(
        &self,
        host: &mut impl Host,
        stream: u32,
        key: SessionKey,
        now: Timestamp,
    ) -> bool {
        for purpose in self.calls.borrow_mut().values_mut() {
            if let Purpose::Look { key: other, streams } = purpose
                && *other == key
            {
                streams.push(stream);
                return true;
            }
        }
        host.count(Metric::StoreAsked);
        // GETEX reads and keeps from idling out at once (Redis 6.2).
        let seconds = seconds(self.lifetime.idle_timeout);
        let command = ["GETEX", &self.name(&key), "EX", &seconds];
        self.call(host, Purpose::Look { key, streams: vec![stream] }, &command, now)
    }

    /// Writes a new session down, unless there is one of its id. False if that cannot be done now.
    pub(super) fn bind(
        &self,
        host: &mut impl Host,
        stream: u32,
        key: SessionKey,
        pin: Pin,
        now: Timestamp,
    ) -> bool {
        self.set(host, Purpose::Bind { key, pin, stream: Some(stream) }, &key, &pin, now)
    }

    /// Keeps a session from idling out.
    pub(super) fn keep(&self, host: &mut impl Host, key: SessionKey, pin: Pin, now: Timestamp) {
        let command = ["EXPIRE", &self.name(&key), &self.time_to_live(&pin, now)];
        self.call(host, Purpose::Keep { key, pin }, &command, now);
    }

    /// Ends a session for all.
    pub(super) fn unbind(&self, host: &mut impl Host, key: &SessionKey, now: Timestamp) {
        self.call(host, Purpose::Forget, &["DEL", &self.name(key)], now);
    }

    /// An exchange waits no more.
    pub(super) fn leave(&self, stream: u32) {
        for purpose in self.calls.borrow_mut().values_mut() {
            match purpose {
                Purpose::Look { streams, .. } => streams.retain(|other| *other != stream),
                Purpose::Bind { stream: waiting, .. }
                | Purpose::Compare { stream: waiting, .. } => {
                    waiting.take_if(|other| *other == stream);
                }
                Purpose::Keep { .. } | Purpose::Forget => {}
            }
        }
    }

    pub(super) fn on_answer(
        &self,
        host: &mut impl Host,
        call: CallId,
        answer: &CallAnswer,
        now: Timestamp,
    ) -> Answered {
        let Some(purpose) = self.calls.borrow_mut().remove(&call) else { return Answered::Nothing };
        let reply = self.redis.dialect.reply(answer);
        match &reply {
            Ok(_) => {
                if self.breaker.borrow_mut().succeeded() {
                    info!("the store answers again");
                }
            }
            Err(fault) => self.failed(host, fault, now),
        }
        match purpose {
            Purpose::Look { key, streams } => {
                let found = self.found(host, &key, reply, now);
                Answered::Looked { key, streams, found }
            }
            Purpose::Bind { key, pin, stream } => match reply {
                Ok(Reply::Text(_)) => {
                    Answered::Stored { key, pin, stream, binding: Binding::Bound }
                }
                Ok(Reply::Nil) => self.compare(host, key, pin, stream, now),
                Ok(Reply::Number(_)) | Err(_) => {
                    Answered::Stored { key, pin, stream, binding: Binding::Failed }
                }
            },
            Purpose::Compare { key, pin, stream } => {
                let binding = match self.found(host, &key, reply, now) {
                    Lookup::Live(other) if other.ordinal == pin.ordinal => Binding::Bound,
                    Lookup::Live(_) | Lookup::Unknown | Lookup::Expired => Binding::Taken,
                    Lookup::Failed => Binding::Failed,
                };
                Answered::Stored { key, pin, stream, binding }
            }
            Purpose::Keep { key, pin } => {
                if reply == Ok(Reply::Number(0)) {
                    // The store has lost what this proxy still knows.
                    let pin = Pin { used_at: now, ..pin };
                    self.set(host, Purpose::Forget, &key, &pin, now);
                }
                Answered::Nothing
            }
            Purpose::Forget => Answered::Nothing,
        }
    }

    fn compare(
        &self,
        host: &mut impl Host,
        key: SessionKey,
        pin: Pin,
        stream: Option<u32>,
        now: Timestamp,
    ) -> Answered {
        let purpose = Purpose::Compare { key, pin, stream };
        match self.call(host, purpose, &["GET", &self.name(&key)], now) {
            true => Answered::Nothing,
            false => Answered::Stored { key, pin, stream, binding: Binding::Failed },
        }
    }

    fn found(
        &self,
        host: &mut impl Host,
        key: &SessionKey,
        reply: Result<Reply, String>,
        now: Timestamp,
    ) -> Lookup {
        let text = match reply {
            Ok(Reply::Text(text)) => text,
            Ok(Reply::Nil) => return Lookup::Unknown,
            Ok(Reply::Number(_)) | Err(_) => return Lookup::Failed,
        };
        match record::decode(&text, &self.workload) {
            Ok(pin) if now.since(pin.bound_at) < self.lifetime.max_age => Lookup::Live(pin),
            Ok(_) => Lookup::Expired,
            Err(untrusted) => {
                host.count(Metric::StoreUntrusted);
                warn!("the stored value of session {key} {untrusted}");
                Lookup::Unknown
            }
        }
    }

    fn set(
        &self,
        host: &mut impl Host,
        purpose: Purpose,
        key: &SessionKey,
        pin: &Pin,
        now: Timestamp,
    ) -> bool {
        let value = record::encode(pin, &self.workload);
        let time_to_live = self.time_to_live(pin, now);
        let command = ["SET", &self.name(key), &value, "EX", &time_to_live, "NX"];
        self.call(host, purpose, &command, now)
    }

    /// Sends a command. False if the store is not to be asked now, or the proxy cannot.
    fn call(
        &self,
        host: &mut impl Host,
        purpose: Purpose,
        command: &[&str],
        now: Timestamp,
    ) -> bool {
        if !self.breaker.borrow_mut().admits(now) {
            host.count(Metric::StoreSkipped);
            return false;
        }
        let callout = Callout {
            cluster: self.redis.cluster.clone(),
            authority: self.redis.authority.clone(),
            authorization: self.redis.authorization.clone(),
            body: self.redis.dialect.request(command),
            timeout: self.redis.timeout,
        };
        match host.call(&callout) {
            Ok(call) => {
                self.calls.borrow_mut().insert(call, purpose);
                true
            }
            Err(Refused) => {
                let fault = format!("the proxy cannot send to its cluster {}", callout.cluster);
                self.failed(host, &fault, now);
                false
            }
        }
    }

    fn failed(&self, host: &mut impl Host, fault: &str, now: Timestamp) {
        host.count(Metric::StoreFaults);
        let mut breaker = self.breaker.borrow_mut();
        let told = breaker.is_open();
        if breaker.failed(now) {
            warn!("the store fails: {fault}; from now on it is tried once a second");
        } else if !told {
            warn!("the store fails: {fault}");
        }
    }

    fn name(&self, key: &SessionKey) -> String {
        format!("{}{key:x}", self.redis.key_prefix)
    }

    /// Seconds after which a session that is used now would have idled out or grown too old.
    fn time_to_live(&self, pin: &Pin, now: Timestamp) -> String {
        let age = now.since(pin.bound_at);
        seconds(self.lifetime.idle_timeout.min(self.lifetime.max_age.saturating_sub(age)))
    }
}

/// Whole seconds, at least one.
fn seconds(duration: Duration) -> String {
    duration.as_millis().div_ceil(1000).max(1).to_string()
}
