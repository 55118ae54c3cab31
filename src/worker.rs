//! What the exchanges of one worker thread share: a configuration at work. Threads may also share it.

use std::sync::Arc;
use std::time::Duration;

use log::warn;

use crate::config::Config;
use crate::host::{CallId, CallResponse, ExchangeId, Host};
use crate::in_use::InUse;
use crate::lock::Lock;
use crate::session::SessionKey;
use crate::store::{Store, Wake};

/// One configuration at work.
#[derive(Debug)]
pub struct Worker {
    pub(crate) config: Config,
    pub(crate) store: Store,
    in_use: Lock<InUse>,
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
        let in_use = Lock::new(InUse::new(host.now()));
        Arc::new(Self { config, store, in_use })
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
        let lifetime = &self.config.lifetime;
        let is_due = |noted| lifetime.wants_refresh(noted, now);
        let due = self.in_use.lock().tick(now, is_due, NOTED);
        for key in due {
            self.store.touch(host, key, now);
        }
        self.store.catch_up(host, now);
    }

    /// Keeps a session from idling out until the exchange `id` is over.
    pub(crate) fn begin_use(&self, id: ExchangeId, key: SessionKey) {
        self.in_use.lock().begin(id, key);
    }

    /// The exchange `id` no longer keeps its session from idling out.
    pub(crate) fn end_use(&self, id: ExchangeId) {
        self.in_use.lock().end(id);
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
