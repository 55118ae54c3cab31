//! Look-ups: those of one session share one, and there are not too many at a time.

use std::collections::BTreeMap;

use super::absent::Absent;
use super::breaker::Breaker;
use super::dialect::{Fault, Reply};
use super::write_back::Write;
use super::{Found, Outcome, Purpose, Remote};
use crate::host::{ExchangeId, Host};
use crate::session::{SessionKey, Timestamp, User};
use crate::store::Lookup;
use crate::telemetry::Metric;

/// So many sessions are looked up at a time, lest a flood of invented ids take up all that the
/// proxy sends to the store.
const AT_ONCE: usize = 128;

/// The look-ups under way.
#[derive(Debug, Default)]
pub(super) struct Looks {
    /// The exchanges that wait for each.
    waiting: BTreeMap<SessionKey, Vec<ExchangeId>>,
    pub(super) absent: Absent,
    pub(super) breaker: Breaker,
}

/// What is to be done for an exchange that has to know a session.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Turn {
    /// The store has to be asked.
    Ask,
    /// It was asked already.
    Join,
    /// It is not to be asked now.
    Skip,
}

// === impl Looks ===

impl Looks {
    /// An exchange waits no longer.
    pub(super) fn leave(&mut self, exchange: ExchangeId) {
        for exchanges in self.waiting.values_mut() {
            exchanges.retain(|other| *other != exchange);
        }
    }

    fn begin(&mut self, exchange: ExchangeId, key: SessionKey, now: Timestamp) -> Turn {
        if let Some(exchanges) = self.waiting.get_mut(&key) {
            exchanges.push(exchange);
            return Turn::Join;
        }
        match self.waiting.len() < AT_ONCE && self.breaker.admits(now) {
            true => Turn::Ask,
            false => Turn::Skip,
        }
    }

    fn asked(&mut self, exchange: ExchangeId, key: SessionKey) {
        self.waiting.entry(key).or_default().push(exchange);
    }

    fn end(&mut self, key: &SessionKey) -> Vec<ExchangeId> {
        self.waiting.remove(key).unwrap_or_default()
    }
}

// === impl Remote ===

impl Remote {
    /// Asks for a session. `None` if the exchange has to wait.
    pub(in crate::store) fn look(
        &self,
        host: &mut impl Host,
        exchange: ExchangeId,
        key: SessionKey,
        now: Timestamp,
    ) -> Option<Lookup> {
        if self.has_ended(&key, now) {
            return Some(Lookup::Unknown);
        }
        let turn = self.state.lock().looks.begin(exchange, key, now);
        match turn {
            Turn::Join => return None,
            Turn::Skip => {
                host.count(Metric::StoreSkipped);
                return Some(Lookup::Failed);
            }
            Turn::Ask => {}
        }
        if !self.send(host, Purpose::Look(key), &self.commands.look(&key), now) {
            self.state.lock().looks.breaker.failed(now);
            return Some(Lookup::Failed);
        }
        host.count(Metric::StoreAsked);
        self.state.lock().looks.asked(exchange, key);
        None
    }

    /// Whether the session was not for this user a moment ago.
    pub(in crate::store) fn was_refused(
        &self,
        key: &SessionKey,
        user: User,
        now: Timestamp,
    ) -> bool {
        self.state.lock().looks.absent.contains(&key.as_seen_by(user), now)
    }

    /// The session is not for this user: that is answered for a second as if there were none.
    pub(in crate::store) fn refuse(&self, key: &SessionKey, user: User, now: Timestamp) {
        let absent = &mut self.state.lock().looks.absent;
        let key = key.as_seen_by(user);
        // As of one that is not known, a second counts from when the store was asked.
        if !absent.contains(&key, now) {
            absent.add(key, now);
        }
    }

    /// A look-up was answered.
    pub(super) fn looked(
        &self,
        host: &mut impl Host,
        key: SessionKey,
        reply: Result<Reply, Fault>,
        now: Timestamp,
    ) -> Outcome {
        let exchanges = {
            let mut state = self.state.lock();
            state.looks.breaker.answered(&reply, now);
            state.looks.end(&key)
        };
        let found = match self.read(host, &key, reply, now) {
            // It ended here while the store was asked.
            Found::Pin(_) if self.has_ended(&key, now) => Lookup::Unknown,
            Found::Pin(pin) if self.commands.is_too_old(&pin, now) => {
                self.end(host, key, pin, now);
                Lookup::Expired
            }
            Found::Pin(pin) => {
                if !self.commands.is_bound && self.commands.ages_before_it_idles(&pin, now) {
                    // The look-up kept it for longer than it may live.
                    self.write(host, key, Write::Keep(Some(pin), now), now);
                }
                Lookup::Live(pin)
            }
            Found::Ended(at) => {
                if let Some(write) = self.gone(key, at, now) {
                    self.write(host, key, write, now);
                }
                Lookup::Unknown
            }
            Found::Nothing | Found::Untrusted | Found::OtherMode => {
                self.state.lock().looks.absent.add(key, now);
                Lookup::Unknown
            }
            Found::Newer | Found::Failed => Lookup::Failed,
        };
        Outcome::Looked { key, exchanges, found }
    }

    /// Whether a session has ended here, or was not in the store a moment ago.
    fn has_ended(&self, key: &SessionKey, now: Timestamp) -> bool {
        let state = self.state.lock();
        state.looks.absent.contains(key, now) || state.write_back.ends(key)
    }
}
