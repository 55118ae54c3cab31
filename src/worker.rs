//! What the exchanges of one worker thread share: a configuration at work. Threads may also share it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use log::warn;

use crate::config::Config;
use crate::host::{CallId, CallResponse, ExchangeId, Host};
use crate::lock::Lock;
use crate::session::{SessionKey, Timestamp};
use crate::store::{Store, Wake};

/// One configuration at work.
#[derive(Debug)]
pub struct Worker {
    pub(crate) config: Config,
    pub(crate) store: Store,
    /// Exchanges that went to the pod of their session and are not over: the session of each, and
    /// when it was last noted as in use.
    running: Lock<BTreeMap<ExchangeId, (SessionKey, Timestamp)>>,
    /// Where among them the next tick begins.
    next_running: Lock<ExchangeId>,
    /// The time of the last tick: a clock that costs nothing to read.
    ticked: Lock<Timestamp>,
}

// === impl Worker ===

impl Worker {
    /// Begins to serve a workload.
    pub fn start(config: Config, host: &mut impl Host) -> Arc<Self> {
        for key in &config.without_effect {
            warn!("{key} has no effect in this version");
        }
        let set = config.steering.stateful_set().clone();
        let store = Store::open(&config.store, &config.scope, config.lifetime, set, host);
        let ticked = Lock::new(host.now());
        Arc::new(Self {
            config,
            store,
            running: Lock::default(),
            next_running: Lock::new(ExchangeId(0)),
            ticked,
        })
    }

    /// A response to a callout came. Says which exchanges are to be told what by
    /// [`crate::filter::Filter::on_wake`].
    pub fn on_call_response(
        &self,
        host: &mut impl Host,
        call: CallId,
        response: &CallResponse,
    ) -> Vec<(ExchangeId, Wake)> {
        self.store.on_call_response(host, call, response)
    }

    /// How often [`Worker::tick`] is to be called.
    pub fn tick_period(&self) -> Duration {
        (self.config.lifetime.idle_timeout / 20).min(Duration::from_secs(1))
    }

    /// Keeps sessions from idling out while an exchange of theirs runs, however long.
    pub fn tick(&self, host: &mut impl Host) {
        /// So many at most, lest requests wait for a tick to end. The next one goes on.
        const NOTED: usize = 500;
        let now = host.now();
        self.ticked.set(now);
        let lifetime = &self.config.lifetime;
        let mut running = self.running.lock();
        let mut due = running
            .range_mut(self.next_running.get()..)
            .filter(|(_, (_, noted))| lifetime.wants_refresh(*noted, now));
        for (_, (key, noted)) in due.by_ref().take(NOTED) {
            *noted = now;
            self.store.touch(host, *key, now);
        }
        self.next_running.set(due.next().map_or(ExchangeId(0), |(id, _)| *id));
        self.store.catch_up(host, now);
    }

    /// Keeps a session from idling out until the exchange `id` is over.
    pub(crate) fn runs(&self, id: ExchangeId, key: SessionKey) {
        self.running.lock().insert(id, (key, self.ticked.get()));
    }

    /// The exchange `id` no longer keeps its session from idling out.
    pub(crate) fn rests(&self, id: ExchangeId) {
        self.running.lock().remove(&id);
    }
}

#[cfg(test)]
mod tests {
    use super::Worker;

    /// A proxy whose threads share one configuration may share one of these.
    #[test]
    fn threads_may_share_a_worker() {
        fn is_shared<T: Send + Sync>() {}
        is_shared::<Worker>();
    }
}
