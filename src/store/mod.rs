//! Where pins are kept: in a table in shared data, alone or as the near cache of a Redis.
//!
//! With a Redis, a pin is written there before the client learns of its session, and read from
//! there when the near cache does not know it. Pins do not change while a session lives, so what
//! the near cache knows is good until the pod says otherwise.

mod breaker;
pub mod record;
pub mod redis;
mod remote;
pub mod table;

use std::cell::Cell;

use log::warn;

use crate::config::{Config, OnError};
use crate::host::{CallId, CallResponse, Host};
use crate::metrics::Metric;
use crate::pin::{Lifetime, Pin, Timestamp};
use crate::session::SessionKey;

use remote::{Opened, Outcome, Remote};
use table::{Put, Table};

/// What a store knows of a session.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Lookup {
    /// It lives where the pin says.
    Live(Pin),
    /// It was forgotten for its age or idleness.
    Expired,
    /// It was never here, or gave way to another.
    Unknown,
    /// The store cannot say.
    Failed,
}

/// How an attempt to bind a session ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Binding {
    /// It is bound.
    Bound,
    /// The id belongs to a live session on another pod, which keeps it.
    Taken,
    /// The store did not take it.
    Failed,
}

/// What an exchange waited for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Wake {
    /// Its session was looked up.
    Looked(Lookup),
    /// Its session was to be bound.
    Stored(Binding),
}

/// The pins of one workload.
#[derive(Debug)]
pub struct Store {
    near: Table,
    remote: Option<Remote>,
    on_error: OnError,
    lifetime: Lifetime,
    /// The log has said that the table is too small.
    told_of_eviction: Cell<bool>,
}

impl Store {
    /// Opens the store that `config` names.
    pub fn open(config: &Config, host: &mut impl Host) -> Self {
        let near = Table::new(&config.scope, config.store.capacity, config.lifetime);
        near.open(host);
        let redis = config.store.redis.clone();
        Self {
            near,
            on_error: redis.as_ref().map_or(OnError::Fail, |redis| redis.on_error),
            remote: redis.map(|redis| Remote::new(redis, config)),
            lifetime: config.lifetime,
            told_of_eviction: Cell::new(false),
        }
    }

    /// Finds a session and notes its use. `None` if the exchange `stream` has to wait; what came
    /// of it is then among the [`Wake`] of [`Store::on_call_response`].
    pub fn look(
        &self,
        host: &mut impl Host,
        stream: u32,
        key: SessionKey,
        now: Timestamp,
    ) -> Option<Lookup> {
        let found = self.near.look(host, &key, now);
        self.count_evicted(host);
        let Some(remote) = &self.remote else { return Some(found) };
        match found {
            Lookup::Live(pin) => {
                if self.lifetime.wants_refresh(pin.used_at, now) {
                    remote.keep(host, key, Some(pin), now);
                }
                Some(found)
            }
            // Another proxy may have seen it since.
            _ => match remote.look(host, stream, key, now) {
                true => None,
                false => Some(Lookup::Failed),
            },
        }
    }

    /// Binds a session that was just opened. `None` as for [`Store::look`].
    pub fn bind(
        &self,
        host: &mut impl Host,
        stream: u32,
        key: SessionKey,
        pin: Pin,
        now: Timestamp,
    ) -> Option<Binding> {
        match &self.remote {
            Some(remote) if remote.bind(host, Opened { key, pin, stream }, now) => None,
            Some(_) => Some(self.bind_without_remote(host, key, pin, now)),
            None => Some(self.bind_near(host, key, pin, now)),
        }
    }

    /// Forgets a session, here and for all who share the store.
    pub fn unbind(&self, host: &mut impl Host, key: &SessionKey, now: Timestamp) {
        self.near.unbind(host, key);
        if let Some(remote) = &self.remote {
            remote.unbind(host, *key, now);
        }
    }

    /// Notes that a session is in use although it sent no request: it holds a stream open.
    pub fn touch(&self, host: &mut impl Host, key: SessionKey, now: Timestamp) {
        let found = self.near.look(host, &key, now);
        self.count_evicted(host);
        let Some(remote) = &self.remote else { return };
        match found {
            Lookup::Live(pin) if !self.lifetime.wants_refresh(pin.used_at, now) => {}
            Lookup::Live(pin) => remote.keep(host, key, Some(pin), now),
            Lookup::Expired => {}
            // It gave way here, but lives in the store.
            _ => remote.keep(host, key, None, now),
        }
    }

    /// To be called now and then: does what could not be done when it was due.
    pub fn catch_up(&self, host: &mut impl Host, now: Timestamp) {
        if let Some(remote) = &self.remote {
            remote.catch_up(host, now);
        }
    }

    /// Takes a response to a callout. Says which exchanges it wakes, and with what; some may be over
    /// by now.
    pub fn on_call_response(
        &self,
        host: &mut impl Host,
        call: CallId,
        response: &CallResponse,
    ) -> Vec<(u32, Wake)> {
        let now = host.now();
        let Some(remote) = &self.remote else { return Vec::new() };
        match remote.on_call_response(host, call, response, now) {
            Outcome::Looked { key, streams, found } => {
                if let Lookup::Live(pin) = found {
                    self.bind_near(host, key, Pin { used_at: now, ..pin }, now);
                }
                streams.into_iter().map(|stream| (stream, Wake::Looked(found))).collect()
            }
            Outcome::Stored(Opened { key, pin, stream }, binding) => {
                let binding = match binding {
                    Binding::Bound => self.bind_near(host, key, pin, now),
                    Binding::Taken => Binding::Taken,
                    Binding::Failed => self.bind_without_remote(host, key, pin, now),
                };
                vec![(stream, Wake::Stored(binding))]
            }
            Outcome::Missed(key, pin) => {
                // Unless it has ended meanwhile.
                if self.near.holds(host, &key, now) {
                    remote.restore(host, key, pin, now);
                }
                Vec::new()
            }
            Outcome::Nothing => Vec::new(),
        }
    }

    /// The one place that decides what a store that fails means for a new session.
    fn bind_without_remote(
        &self,
        host: &mut impl Host,
        key: SessionKey,
        pin: Pin,
        now: Timestamp,
    ) -> Binding {
        match self.on_error {
            OnError::Fail => Binding::Failed,
            OnError::Continue => {
                host.count(Metric::NotShared);
                self.bind_near(host, key, pin, now)
            }
        }
    }

    fn bind_near(
        &self,
        host: &mut impl Host,
        key: SessionKey,
        pin: Pin,
        now: Timestamp,
    ) -> Binding {
        let put = self.near.bind(host, key, pin, now);
        self.count_evicted(host);
        match put {
            Put::Done => Binding::Bound,
            Put::Taken => Binding::Taken,
            Put::Contended => Binding::Failed,
        }
    }

    fn count_evicted(&self, host: &mut impl Host) {
        let evicted = self.near.take_evicted();
        (0..evicted).for_each(|_| host.count(Metric::Evicted));
        let lost = evicted > 0 && self.remote.is_none();
        if lost && !self.told_of_eviction.replace(true) {
            warn!("live sessions give way to new ones; store.capacity is too small");
        }
    }
}
