//! What the exchanges of one worker thread share: a configuration at work. Threads may also share it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use log::warn;

use crate::config::Config;
use crate::host::{CallId, CallResponse, ExchangeId, Host};
use crate::in_use::InUse;
use crate::lock::Lock;
use crate::pods::Place;
use crate::session::{SessionKey, Timestamp};
use crate::steer::Ledger;
use crate::store::{Store, Wake};
use crate::telemetry::{self, Decision, Gauge, Metric, Throttle};

/// What goes wrong again and again is told to the log at most so often.
const WARN_EVERY: Duration = Duration::from_secs(60);

/// One configuration at work.
#[derive(Debug)]
pub struct Worker {
    pub(crate) config: Config,
    pub(crate) store: Store,
    in_use: Lock<InUse>,
    seen: Lock<Ledger>,
    warned: Lock<Warned>,
}

/// When the log was warned of what goes wrong again and again.
#[derive(Debug, Default)]
struct Warned {
    strayed: Throttle,
    outside: Throttle,
}

// === impl Worker ===

impl Worker {
    /// Begins to serve a workload.
    pub fn start(config: Config, host: &mut impl Host) -> Arc<Self> {
        for key in &config.without_effect {
            warn!("{key} has no effect here");
        }
        host.set(Gauge::Version, telemetry::version());
        let places = config.steering.places();
        let store = Store::open(&config.store, &config.scope, config.lifetime, places, host);
        let in_use = Lock::new(InUse::new(host.now()));
        Arc::new(Self { config, store, in_use, seen: Lock::default(), warned: Lock::default() })
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

    /// Notes from where a request to `place` was answered. Requests by name that do not reach the pods
    /// that they were sent to are told by that.
    pub(crate) fn saw(
        &self,
        host: &mut impl Host,
        place: Place,
        answered_by: Option<SocketAddr>,
        now: Timestamp,
    ) {
        let (Place::Pod(pod), Some(address)) = (place, answered_by) else { return };
        let contradiction = self.seen.lock().saw(pod, address, now);
        let Some(contradiction) = contradiction else { return };
        host.count(Metric::Decided(Decision::Strayed));
        if self.warned.lock().strayed.admits(now, WARN_EVERY) {
            let steering = &self.config.steering;
            let (pod, advice) = (steering.name(place), steering.advice());
            warn!("requests stray: {contradiction}, {pod} and {address} among them; {advice}");
        }
    }

    /// Warns, now and then, of a request that another endpoint has answered than that of its session.
    pub(crate) fn warn_of_strayed(&self, place: Option<Place>, now: Timestamp) {
        if self.warned.lock().strayed.admits(now, WARN_EVERY) {
            let steering = &self.config.steering;
            let place = place.map(|place| steering.name(place)).unwrap_or_default();
            let advice = steering.advice();
            warn!("requests stray: another endpoint answered than {place}; {advice}");
        }
    }

    /// Warns, now and then, of a session that was opened where none can live.
    pub(crate) fn warn_of_outside(&self, place: Option<Place>, now: Timestamp) {
        if self.warned.lock().outside.admits(now, WARN_EVERY) {
            match place.map(|place| self.config.steering.name(place)) {
                Some(place) => {
                    warn!("a session was opened at {place}, outside of workload.addresses");
                }
                None => warn!("a session was opened at an address that the proxy does not tell"),
            }
        }
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
