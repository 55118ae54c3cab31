//! Sessions that are being bound: claimed, and where the id is taken, compared with its owner.

use super::breaker::Breaker;
use super::commands::Over;
use super::dialect::{Fault, Reply};
use super::{Found, Outcome, Purpose, Remote};
use crate::host::{ExchangeId, Host};
use crate::session::{Pin, SessionKey, Timestamp};
use crate::store::Binding;
use crate::telemetry::Metric;

/// A session that an exchange has opened.
#[derive(Clone, Copy, Debug)]
pub(in crate::store) struct Opened {
    pub(in crate::store) key: SessionKey,
    pub(in crate::store) pin: Pin,
    /// Who waits for it; nobody if the client has left.
    pub(in crate::store) exchange: Option<ExchangeId>,
}

/// How far it is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Stage {
    /// It is written down, unless there is a record of its id.
    Claim,
    /// That record is read.
    Compare,
    /// It is written in the place of that record.
    Replace,
}

/// The sessions being bound.
#[derive(Debug, Default)]
pub(super) struct Binds {
    /// Those that wait until what is being written of their id is done.
    parked: Vec<Opened>,
    breaker: Breaker,
}

// === impl Binds ===

impl Binds {
    /// An exchange waits no longer.
    pub(super) fn leave(&mut self, exchange: ExchangeId) {
        let mut parked = self.parked.iter_mut();
        if let Some(opened) = parked.find(|opened| opened.exchange == Some(exchange)) {
            opened.exchange = None;
        }
    }

    /// Takes one out that waited for this id.
    fn unpark(&mut self, key: &SessionKey) -> Option<Opened> {
        let place = self.parked.iter().position(|opened| opened.key == *key)?;
        Some(self.parked.remove(place))
    }
}

// === impl Remote ===

impl Remote {
    /// Writes a new session down. `None` if the exchange has to wait.
    pub(in crate::store) fn bind(
        &self,
        host: &mut impl Host,
        opened: Opened,
        now: Timestamp,
    ) -> Option<Binding> {
        {
            let mut state = self.state.lock();
            // A server may give an id out again.
            state.looks.absent.remove(&opened.key);
            state.write_back.cancel(&opened.key);
            if state.write_back.is_busy(&opened.key) {
                state.binds.parked.push(opened);
                return None;
            }
        }
        if !self.state.lock().binds.breaker.admits(now) {
            host.count(Metric::StoreSkipped);
            return Some(Binding::Failed);
        }
        let sent = self.claim(host, opened, now);
        if !sent {
            self.state.lock().binds.breaker.failed(now);
        }
        (!sent).then_some(Binding::Failed)
    }

    /// Goes on with the sessions that waited for what was being written of their id.
    pub(super) fn unpark(
        &self,
        host: &mut impl Host,
        key: &SessionKey,
        now: Timestamp,
        outcomes: &mut Vec<Outcome>,
    ) {
        loop {
            let mut state = self.state.lock();
            if state.write_back.is_busy(key) {
                return;
            }
            let Some(opened) = state.binds.unpark(key) else { return };
            drop(state);
            if let Some(binding) = self.bind(host, opened, now) {
                outcomes.push(Outcome::Stored(opened, binding));
            }
        }
    }

    /// One step was answered. `None` if another follows.
    pub(super) fn bound(
        &self,
        host: &mut impl Host,
        opened: Opened,
        stage: Stage,
        reply: Result<Reply, Fault>,
        now: Timestamp,
    ) -> Option<Outcome> {
        self.state.lock().binds.breaker.answered(&reply, now);
        let binding = match (stage, reply) {
            (Stage::Claim | Stage::Replace, Ok(Reply::Text(_))) => Binding::Bound,
            (Stage::Claim, Ok(Reply::Nil)) => {
                let compare = self.commands.get(&opened.key);
                if self.send(host, Purpose::Bind(opened, Stage::Compare), &compare, now) {
                    return None;
                }
                Binding::Failed
            }
            (Stage::Compare, reply) => match self.read(host, &opened.key, reply, now) {
                Found::Pin(other) if !self.gives_way(&other, &opened.pin, now) => Binding::Taken,
                Found::Pin(_) | Found::Ended(_) | Found::OtherMode => {
                    let replace = self.commands.set(&opened.key, &opened.pin, Over::Another, now);
                    if self.send(host, Purpose::Bind(opened, Stage::Replace), &replace, now) {
                        return None;
                    }
                    Binding::Failed
                }
                Found::Untrusted => Binding::Taken,
                // What had the id went this moment, or cannot be told.
                Found::Nothing | Found::Newer | Found::Failed => Binding::Failed,
            },
            (Stage::Claim | Stage::Replace, _) => Binding::Failed,
        };
        Some(Outcome::Stored(opened, binding))
    }

    fn claim(&self, host: &mut impl Host, opened: Opened, now: Timestamp) -> bool {
        let claim = self.commands.set(&opened.key, &opened.pin, Over::Nothing, now);
        self.send(host, Purpose::Bind(opened, Stage::Claim), &claim, now)
    }

    /// Whether the session of `other` is over now that its id names that of `pin`: by its age, or
    /// because it was the same server that gave the id out again.
    fn gives_way(&self, other: &Pin, pin: &Pin, now: Timestamp) -> bool {
        other.place == pin.place || self.commands.is_too_old(other, now)
    }
}
