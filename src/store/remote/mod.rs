//! A Redis that several proxies share, asked through HTTP callouts.
//!
//! Exchanges wait for look-ups and bindings; those of one session share a look-up. The rest is
//! written back: nobody waits for it, and what fails takes another turn. Each kind pauses by
//! itself: what fails for one, the store may well do for the other.

mod breaker;
mod commands;
mod dialect;
mod record;
mod write_back;

use std::collections::BTreeMap;
use std::time::Duration;

use log::{info, warn};

use super::outcome::{Binding, Lookup};
use super::settings::RedisConfig;
use crate::host::{CallId, CallResponse, Callout, ExchangeId, Host, Refused, Secret};
use crate::lock::Lock;
use crate::pods::StatefulSet;
use crate::session::{Lifetime, Pin, SessionKey, Timestamp};
use crate::telemetry::Metric;

use breaker::Breaker;
use commands::Commands;
pub use dialect::Dialect;
use dialect::{Fault, Reply};
use write_back::{Write, WriteBack};

/// What is wrong with the store is told to the log at most so often.
const TOLD_EVERY: Duration = Duration::from_secs(10);

/// A Redis behind an HTTP front.
#[derive(Debug)]
pub(super) struct Remote {
    redis: RedisConfig,
    commands: Commands,
    set: StatefulSet,
    lifetime: Lifetime,
    breaker: Lock<Breaker>,
    calls: Lock<BTreeMap<CallId, Purpose>>,
    /// The exchanges that wait for each look-up.
    waiting: Lock<BTreeMap<SessionKey, Vec<ExchangeId>>>,
    write_back: Lock<WriteBack>,
    /// When the log was last told what is wrong.
    told_at: Lock<Timestamp>,
    /// It was told that the store fails, and not yet that it answers again.
    told: Lock<bool>,
}

/// Why a call was made.
#[derive(Clone, Debug)]
enum Purpose {
    Ask(Question),
    Do(SessionKey, Write),
}

/// What exchanges wait for.
#[derive(Clone, Debug)]
enum Question {
    /// Where a session lives.
    Look(SessionKey),
    /// Whether a new one could be bound: not if its id is taken.
    Bind(Opened),
    /// By whom it is taken.
    Compare(Opened),
}

/// A session that an exchange has opened.
#[derive(Clone, Copy, Debug)]
pub(super) struct Opened {
    pub(super) key: SessionKey,
    pub(super) pin: Pin,
    /// Who waits for it; nobody if the client has left.
    pub(super) exchange: Option<ExchangeId>,
}

/// What came of a call.
pub(super) enum Outcome {
    /// A session was looked up for these exchanges.
    Looked { key: SessionKey, exchanges: Vec<ExchangeId>, found: Lookup },
    /// A session was to be bound.
    Stored(Opened, Binding),
    /// The store does not have a session that is in use.
    Missed(SessionKey, Pin),
    /// Nobody waits for it.
    Nothing,
}

// === impl Remote ===

impl Remote {
    pub(super) fn new(redis: RedisConfig, set: StatefulSet, lifetime: Lifetime) -> Self {
        Self {
            commands: Commands::new(redis.key_prefix.clone(), set.clone(), lifetime),
            redis,
            set,
            lifetime,
            breaker: Lock::default(),
            calls: Lock::default(),
            waiting: Lock::default(),
            write_back: Lock::default(),
            told_at: Lock::default(),
            told: Lock::default(),
        }
    }

    /// Asks for a session. False if that cannot be done now.
    pub(super) fn look(
        &self,
        host: &mut impl Host,
        exchange: ExchangeId,
        key: SessionKey,
        now: Timestamp,
    ) -> bool {
        if let Some(exchanges) = self.waiting.lock().get_mut(&key) {
            exchanges.push(exchange);
            return true;
        }
        let asked = self.ask(host, Question::Look(key), &self.commands.look(&key), now);
        if asked {
            host.count(Metric::StoreAsked);
            self.waiting.lock().insert(key, vec![exchange]);
        }
        asked
    }

    /// Writes a new session down, unless there is one of its id. False if that cannot be done now.
    pub(super) fn bind(&self, host: &mut impl Host, opened: Opened, now: Timestamp) -> bool {
        // A server may give an id out again.
        self.write_back.lock().cancel(&opened.key);
        let command = self.commands.set(&opened.key, &opened.pin, now);
        self.ask(host, Question::Bind(opened), &command, now)
    }

    /// An exchange waits no longer for what it asked.
    pub(super) fn leave(&self, exchange: ExchangeId) {
        for exchanges in self.waiting.lock().values_mut() {
            exchanges.retain(|other| *other != exchange);
        }
        for purpose in self.calls.lock().values_mut() {
            if let Purpose::Ask(Question::Bind(opened) | Question::Compare(opened)) = purpose
                && opened.exchange == Some(exchange)
            {
                opened.exchange = None;
            }
        }
    }

    /// Keeps a session from idling out that is in use. Its pin may have been forgotten here.
    pub(super) fn keep(
        &self,
        host: &mut impl Host,
        key: SessionKey,
        pin: Option<Pin>,
        now: Timestamp,
    ) {
        self.write_back.lock().add(key, Write::Keep(pin, now));
        self.catch_up(host, now);
    }

    /// Writes a session down again that the store has lost.
    pub(super) fn restore(&self, host: &mut impl Host, key: SessionKey, pin: Pin, now: Timestamp) {
        self.write_back.lock().add(key, Write::Restore(pin, now));
        self.catch_up(host, now);
    }

    /// Ends a session for all.
    pub(super) fn unbind(&self, host: &mut impl Host, key: SessionKey, now: Timestamp) {
        self.write_back.lock().add(key, Write::Forget);
        self.catch_up(host, now);
    }

    /// Writes back, as far as that can be done now.
    pub(super) fn catch_up(&self, host: &mut impl Host, now: Timestamp) {
        while let Some((key, write)) = self.next_write(now) {
            if !self.begin(host, key, write, now) {
                self.write_back.lock().failed(key, write, now);
            }
        }
    }

    pub(super) fn on_call_response(
        &self,
        host: &mut impl Host,
        call: CallId,
        response: &CallResponse,
        now: Timestamp,
    ) -> Outcome {
        let Some(purpose) = self.calls.lock().remove(&call) else { return Outcome::Nothing };
        let reply = self.redis.dialect.reply(response);
        if let Err(fault) = &reply {
            self.tell(host, fault, now);
        }
        match purpose {
            Purpose::Do(key, write) => self.did(host, key, write, reply, now),
            Purpose::Ask(question) => self.answered(host, question, reply, now),
        }
    }

    fn answered(
        &self,
        host: &mut impl Host,
        question: Question,
        reply: Result<Reply, Fault>,
        now: Timestamp,
    ) -> Outcome {
        match &reply {
            Err(Fault::Front(_)) => self.breaker.lock().failed(now),
            // What Redis refuses it refuses at once: that costs no request a timeout.
            Ok(_) | Err(Fault::Redis(_)) => self.breaker.lock().succeeded(),
        }
        if reply.is_ok() && std::mem::take(&mut *self.told.lock()) {
            info!("the store answers again");
        }
        match question {
            Question::Look(key) => {
                let exchanges = self.waiting.lock().remove(&key).unwrap_or_default();
                Outcome::Looked { key, exchanges, found: self.found(host, &key, reply, now) }
            }
            Question::Bind(opened) => match reply {
                Ok(Reply::Text(_)) => Outcome::Stored(opened, Binding::Bound),
                Ok(Reply::Nil) => self.compare(host, opened, now),
                Ok(Reply::Number(_)) | Err(_) => Outcome::Stored(opened, Binding::Failed),
            },
            Question::Compare(opened) => {
                let binding = match self.found(host, &opened.key, reply, now) {
                    Lookup::Live(other) if other.place == opened.pin.place => Binding::Bound,
                    Lookup::Live(_) | Lookup::Unknown | Lookup::Expired => Binding::Taken,
                    Lookup::Failed => Binding::Failed,
                };
                Outcome::Stored(opened, binding)
            }
        }
    }

    /// A write was answered.
    fn did(
        &self,
        host: &mut impl Host,
        key: SessionKey,
        write: Write,
        reply: Result<Reply, Fault>,
        now: Timestamp,
    ) -> Outcome {
        match reply {
            Ok(_) => self.write_back.lock().done(),
            Err(_) => self.write_back.lock().failed(key, write, now),
        }
        self.catch_up(host, now);
        match (write, reply) {
            (Write::Keep(Some(pin), _), Ok(Reply::Number(0))) => Outcome::Missed(key, pin),
            _ => Outcome::Nothing,
        }
    }

    fn compare(&self, host: &mut impl Host, opened: Opened, now: Timestamp) -> Outcome {
        let command = self.commands.get(&opened.key);
        match self.ask(host, Question::Compare(opened), &command, now) {
            true => Outcome::Nothing,
            false => Outcome::Stored(opened, Binding::Failed),
        }
    }

    fn found(
        &self,
        host: &mut impl Host,
        key: &SessionKey,
        reply: Result<Reply, Fault>,
        now: Timestamp,
    ) -> Lookup {
        let text = match reply {
            Ok(Reply::Text(text)) => text,
            Ok(Reply::Nil) => return Lookup::Unknown,
            Ok(Reply::Number(_)) | Err(_) => return Lookup::Failed,
        };
        match record::decode(&text, &self.set) {
            Ok(pin) if now.since(pin.bound_at) < self.lifetime.max_age => Lookup::Live(pin),
            Ok(_) => Lookup::Expired,
            Err(untrusted) => {
                host.count(Metric::StoreUntrusted);
                if self.may_tell(now) {
                    warn!("the stored value of session {key} {untrusted}");
                }
                Lookup::Unknown
            }
        }
    }

    fn next_write(&self, now: Timestamp) -> Option<(SessionKey, Write)> {
        self.write_back.lock().begin(now)
    }

    fn begin(&self, host: &mut impl Host, key: SessionKey, write: Write, now: Timestamp) -> bool {
        let command = match write {
            Write::Keep(pin, at) => {
                let bound_at = pin.map_or(at, |pin| pin.bound_at);
                self.commands.expire(&key, bound_at, at, now)
            }
            Write::Restore(pin, at) => self.commands.set(&key, &Pin { used_at: at, ..pin }, now),
            Write::Forget => self.commands.delete(&key),
        };
        self.send(host, Purpose::Do(key, write), &command, now)
    }

    /// Sends a command for which an exchange waits. False if the store is not to be asked now, or
    /// the proxy cannot.
    fn ask(
        &self,
        host: &mut impl Host,
        question: Question,
        command: &[String],
        now: Timestamp,
    ) -> bool {
        if !self.breaker.lock().admits(now) {
            host.count(Metric::StoreSkipped);
            return false;
        }
        let sent = self.send(host, Purpose::Ask(question), command, now);
        if !sent {
            self.breaker.lock().failed(now);
        }
        sent
    }

    /// Sends a command. False if the proxy cannot.
    fn send(
        &self,
        host: &mut impl Host,
        purpose: Purpose,
        command: &[String],
        now: Timestamp,
    ) -> bool {
        let callout = Callout {
            cluster: self.redis.cluster.clone(),
            method: "POST",
            // Access logs hold paths, so commands travel in bodies.
            path: "/".to_owned(),
            authority: self.redis.authority.clone(),
            headers: self.headers(),
            body: self.redis.dialect.request(command),
            timeout: self.redis.timeout,
        };
        match host.call(&callout) {
            Ok(call) => {
                self.calls.lock().insert(call, purpose);
                true
            }
            Err(Refused) => {
                let fault = format!("the proxy cannot send to its cluster {}", callout.cluster);
                self.tell(host, &Fault::Front(fault), now);
                false
            }
        }
    }

    fn headers(&self) -> Vec<(&'static str, Secret)> {
        let authorization = self.redis.authorization.clone();
        let json = ("content-type", Secret("application/json".to_owned()));
        [json].into_iter().chain(authorization.map(|value| ("authorization", value))).collect()
    }

    /// Tells counters and the log of a failure.
    fn tell(&self, host: &mut impl Host, fault: &Fault, now: Timestamp) {
        host.count(Metric::StoreFaults);
        if self.may_tell(now) {
            self.told.set(true);
            warn!("the store fails: {fault}");
        }
    }

    fn may_tell(&self, now: Timestamp) -> bool {
        let may = now.apart(self.told_at.get()) >= TOLD_EVERY;
        if may {
            self.told_at.set(now);
        }
        may
    }
}
