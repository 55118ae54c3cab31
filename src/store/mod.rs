//! Where pins are kept: in a table in shared data, alone or as the near cache of a Redis; or nowhere, sealed
//! into the ids that clients have.
//!
//! With a Redis, a pin is written there before the client learns of its session, and read from
//! there when the near cache does not know it. Pins do not change while a session lives, so what
//! the near cache knows is good until the pod says otherwise.

mod ended;
mod journal;
mod near;
mod outcome;
mod remote;
pub(crate) mod sealed;
mod settings;
mod table;

use std::ops::Range;

use crate::host::{CallId, CallResponse, ExchangeId, Host};
use crate::lock::Lock;
use crate::pods::{Place, Places};
use crate::session::{Lifetime, Pin, Scope, SessionKey, Timestamp, User};
use crate::telemetry::Metric;

use journal::Journal;
pub use outcome::{Binding, Lookup, Wake};
pub use remote::dialect::Dialect;
use remote::{Opened, Outcome, Remote, is_same};
pub(crate) use sealed::Sealer;
pub use settings::{MAX_CAPACITY, MIN_CAPACITY, OnError, RedisConfig, StoreConfig};
use table::Table;

/// The pins of one workload.
#[derive(Debug)]
pub struct Store {
    near: Table,
    sealer: Option<Sealer>,
    /// How many ended sessions are kept in mind if pins are sealed.
    remembered: u32,
    /// Sessions belong to subjects.
    is_bound: bool,
    remote: Option<Remote>,
    journal: Lock<Journal>,
    on_error: OnError,
    places: Places,
    lifetime: Lifetime,
    capacity_key: &'static str,
    /// The log has said that the table is too small.
    told_of_eviction: Lock<bool>,
}

impl Store {
    /// Opens the store that `config` names, for the sessions of `scope`, which live at `places`. `is_bound`: they
    /// belong to subjects.
    pub fn open(
        config: &StoreConfig,
        scope: &Scope,
        lifetime: Lifetime,
        places: Places,
        is_bound: bool,
        host: &mut impl Host,
    ) -> Self {
        let sealer = config.sealed.clone().map(|ring| Sealer::new(ring, scope));
        let near = match &sealer {
            // Of sessions that ended.
            Some(_) => Table::new(&scope.apart("ended"), config.capacity, lifetime),
            None => Table::new(scope, config.capacity, lifetime),
        };
        if sealer.is_none() || config.capacity > 0 {
            near.open(host);
        }
        let redis = config.redis.clone();
        let id = host.random().unwrap_or(host.now().0);
        Self {
            near,
            sealer,
            remembered: config.capacity,
            is_bound,
            journal: Lock::new(Journal::new(scope, id)),
            on_error: redis.as_ref().map_or(OnError::Fail, |redis| redis.on_error),
            remote: redis
                .map(|redis| Remote::new(redis, scope, places.clone(), lifetime, is_bound)),
            places,
            lifetime,
            capacity_key: config.capacity_key,
            told_of_eviction: Lock::default(),
        }
    }

    /// Finds a session and notes its use by `user`, if that may use it. `None` if the exchange `exchange` has to wait; what came
    /// of it is then among the [`Wake`] of [`Store::on_call_response`].
    pub fn look(
        &self,
        host: &mut impl Host,
        exchange: ExchangeId,
        key: SessionKey,
        user: User,
        now: Timestamp,
    ) -> Option<Lookup> {
        let found = self.look_near(host, &key, user, now);
        self.count_evicted(host);
        let Some(remote) = &self.remote else { return Some(found) };
        match found {
            Lookup::Live(pin) if pin.is_open_to(user) => {
                if self.lifetime.wants_refresh(pin.used_at, now) {
                    remote.keep(host, key, Some(pin), now);
                }
                Some(found)
            }
            _ if remote.was_refused(&key, user, now) => Some(Lookup::Strangers),
            // Another proxy may have seen it since. And who may not use it waits as long as who asks for one
            // that is not known.
            _ => remote.look(host, exchange, key, now),
        }
    }

    /// The session is not for this user, who was told that there is none.
    pub(crate) fn refuse(&self, key: &SessionKey, user: User, now: Timestamp) {
        if let Some(remote) = &self.remote {
            remote.refuse(key, user, now);
        }
    }

    /// Binds a session that was just opened. `None` as for [`Store::look`].
    pub fn bind(
        &self,
        host: &mut impl Host,
        exchange: ExchangeId,
        key: SessionKey,
        pin: Pin,
        now: Timestamp,
    ) -> Option<Binding> {
        if !self.places.include(pin.place) {
            return Some(Binding::Outside);
        }
        let Some(remote) = &self.remote else { return Some(self.bind_near(host, key, pin, now)) };
        let opened = Opened { key, pin, exchange: Some(exchange) };
        let binding = remote.bind(host, opened, now)?;
        Some(self.settle(host, &opened, binding, now))
    }

    /// An exchange that waited does so no longer. What it asked for goes on.
    pub fn leave(&self, exchange: ExchangeId) {
        if let Some(remote) = &self.remote {
            remote.leave(exchange);
        }
    }

    /// Forgets a session, here and for all who share the store. `pin` is what the exchange at hand
    /// was steered by, if it knows; else what is known here counts. A session that has its id by
    /// now is left alone in the store.
    pub fn unbind(&self, host: &mut impl Host, key: &SessionKey, pin: Option<Pin>, now: Timestamp) {
        if self.sealer.is_some() {
            self.remember_end(host, *key, pin, now);
            return;
        }
        let known = match self.look_near(host, key, User::Itself, now) {
            Lookup::Live(known) => Some(known),
            _ => None,
        };
        let Some(ended) = pin.or(known) else { return };
        if known.is_some_and(|known| is_same(&known, &ended)) {
            self.near.unbind(host, key);
            self.count_evicted(host);
        }
        if let Some(remote) = &self.remote {
            remote.end(host, *key, ended, now);
            self.journal.lock().note(host, remote.untold_ends(), now);
        }
    }

    /// A client that may use it uses a session which was looked up for it.
    pub(crate) fn used(&self, host: &mut impl Host, key: SessionKey, pin: Pin, now: Timestamp) {
        let Some(remote) = self.remote.as_ref().filter(|_| self.is_bound) else { return };
        if !self.holds(host, &key, now) {
            self.bind_near(host, key, Pin { used_at: now, ..pin }, now);
            remote.keep(host, key, Some(pin), now);
        }
    }

    /// Notes that a session is in use although it sent no request: it holds a stream open.
    pub fn touch(&self, host: &mut impl Host, key: SessionKey, now: Timestamp) {
        if self.sealer.is_some() {
            return;
        }
        let found = self.look_near(host, &key, User::Itself, now);
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

    /// How many more sessions are known where, or fewer, since this was last asked. One that has expired is
    /// known until another needs its room.
    pub fn take_counts(&self) -> Vec<(Place, i32)> {
        let counts = self.near.take_counts();
        if self.sealer.is_some() { Vec::new() } else { counts }
    }

    /// How many parts there are to count.
    pub fn parts(&self) -> u32 {
        self.near.buckets()
    }

    /// Counts the sessions in some of the parts: for each its place, and whether it has not expired.
    pub fn count(
        &self,
        host: &impl Host,
        parts: Range<u32>,
        now: Timestamp,
        mut add: impl FnMut(Place, bool),
    ) {
        if self.sealer.is_none() {
            self.near.count_entries(host, parts, now, &mut add);
        }
    }

    /// To be called now and then: does what could not be done when it was due, and if this thread `leads`,
    /// also what those could not that died.
    pub fn catch_up(&self, host: &mut impl Host, leads: bool, now: Timestamp) {
        let Some(remote) = &self.remote else { return };
        if leads {
            let left = self.journal.lock().take_over(host, now);
            for (key, pin) in left {
                host.count(Metric::TakenOver);
                remote.end(host, key, pin, now);
            }
        }
        remote.catch_up(host, now);
        self.journal.lock().note(host, remote.untold_ends(), now);
    }

    /// Takes a response to a callout. Says which exchanges it wakes, and with what.
    pub fn on_call_response(
        &self,
        host: &mut impl Host,
        call: CallId,
        response: &CallResponse,
    ) -> Vec<(ExchangeId, Wake)> {
        let now = host.now();
        let Some(remote) = &self.remote else { return Vec::new() };
        let mut wakes = Vec::new();
        for outcome in remote.on_call_response(host, call, response, now) {
            match outcome {
                Outcome::Looked { key, exchanges, found } => {
                    // Who asked may be a stranger, whose use does not count.
                    if let Lookup::Live(pin) = found
                        && !self.is_bound
                        && !self.holds(host, &key, now)
                    {
                        self.bind_near(host, key, Pin { used_at: now, ..pin }, now);
                    }
                    let looked = |exchange| (exchange, Wake::Looked(found));
                    wakes.extend(exchanges.into_iter().map(looked));
                }
                Outcome::Stored(opened, binding) => {
                    let stored = Wake::Stored(self.settle(host, &opened, binding, now));
                    wakes.extend(opened.exchange.map(|exchange| (exchange, stored)));
                }
                // Unless it has ended meanwhile.
                Outcome::Missed(key, pin) if self.holds(host, &key, now) => {
                    remote.restore(host, key, pin, now);
                }
                Outcome::Missed(..) => {}
                Outcome::Gone(key, pin) => self.forget(host, &key, &pin, now),
            }
        }
        wakes
    }

    /// Binds here what the store took.
    fn settle(
        &self,
        host: &mut impl Host,
        &Opened { key, pin, .. }: &Opened,
        binding: Binding,
        now: Timestamp,
    ) -> Binding {
        match binding {
            Binding::Bound => match self.bind_near(host, key, pin, now) {
                // The store knows better whose it is.
                Binding::Taken => {
                    self.near.unbind(host, &key);
                    self.bind_near(host, key, pin, now)
                }
                binding => binding,
            },
            Binding::Taken | Binding::Outside => binding,
            Binding::Failed => self.bind_without_remote(host, key, pin, now),
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
}
