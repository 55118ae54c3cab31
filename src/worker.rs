//! What the exchanges of one worker thread share: a configuration at work. Threads may also share it.

use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use log::warn;

use crate::census::Census;
use crate::config::Config;
use crate::host::{CallId, CallResponse, ExchangeId, Host};
use crate::in_use::InUse;
use crate::lock::Lock;
use crate::pods::{Ordinal, Place};
use crate::session::{SessionKey, Timestamp};
use crate::sorted::Sorted;
use crate::steer::{Missed, Sightings};
use crate::store::{self, Store};
use crate::telemetry::{self, Decision, Gauge, Metric, Throttle};
use crate::watch::{Answer, Scouted, Watch};

/// What goes wrong again and again is told to the log at most so often.
const WARN_EVERY: Duration = Duration::from_secs(60);

/// The same of what a client or a pod does wrong, who may do so with every request.
const WARN_OF_EACH_EVERY: Duration = Duration::from_secs(1);

/// So many pods at most have a gauge of their own.
const TOLD: usize = 1000;

/// One configuration at work.
#[derive(Debug)]
pub struct Worker {
    pub(crate) config: Config,
    pub(crate) store: Store,
    /// What is kept of requests without sessions, if anything is.
    pub(crate) kept: Option<Store>,
    pub(crate) watch: Watch,
    in_use: Lock<InUse>,
    seen: Lock<Sightings>,
    missed: Lock<Missed>,
    warned: Lock<Warned>,
    census: Lock<Census>,
    /// The numbers of sessions that were last told, if this thread tells them.
    told: Lock<Sorted<Ordinal, u32>>,
}

/// What an exchange waited for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Wake {
    /// The store's.
    Store(store::Wake),
    /// The same of what is kept of requests without sessions.
    Kept(store::Wake),
    /// The answer of a pod that was asked about its session.
    Pod(Answer),
}

/// When the log was warned of what goes wrong again and again.
#[derive(Debug, Default)]
struct Warned {
    strayed: Throttle,
    unsteered: Throttle,
    outside: Throttle,
    stranger: Throttle,
    steering_refused: Throttle,
    id_taken: Throttle,
    bad_id_of_pod: Throttle,
    unnamed: Throttle,
}

// === impl Worker ===

impl Worker {
    /// Begins to serve a workload.
    pub fn start(config: Config, host: &mut impl Host) -> Arc<Self> {
        for key in &config.without_effect {
            warn!("{key} has no effect here");
        }
        if !config.plain_secrets.is_empty() {
            let keys = config.plain_secrets.join(", ");
            warn!("{keys}: whoever sees this configuration sees the secrets; in /config_dump too");
        }
        host.set(Gauge::Version, telemetry::version());
        let places = config.steering.places();
        let kept = config.affinity.store.as_ref().map(|(store, lifetime)| {
            let scope = config.served.scope.apart("kept");
            Store::open(store, &scope, *lifetime, places.clone(), false, host)
        });
        let (served, lifetime) = (&config.served, config.lifetime);
        let store =
            Store::open(&config.store, &served.scope, lifetime, places, served.is_bound, host);
        let watch = Watch::new(&config.served.scope, config.watch.clone());
        let in_use = Lock::new(InUse::new(host.now()));
        let (seen, missed, warned) = (Lock::default(), Lock::default(), Lock::default());
        let (census, told) = (Lock::default(), Lock::default());
        Arc::new(Self { config, store, kept, watch, in_use, seen, missed, warned, census, told })
    }

    /// A response to a callout came. Says which exchanges are to be told what by
    /// [`crate::filter::Filter::on_wake`].
    pub fn on_call_response(
        &self,
        host: &mut impl Host,
        call: CallId,
        response: &CallResponse,
    ) -> Vec<(ExchangeId, Wake)> {
        let Some(told) = self.watch.on_call_response(host, call, response) else {
            let wakes = self.store.on_call_response(host, call, response).into_iter();
            let wakes = wakes.map(|(id, wake)| (id, Wake::Store(wake)));
            let Some(kept) = &self.kept else { return wakes.collect() };
            let of_kept = kept.on_call_response(host, call, response).into_iter();
            return wakes.chain(of_kept.map(|(id, wake)| (id, Wake::Kept(wake)))).collect();
        };
        if let Some((key, pin)) = told.lost {
            let now = host.now();
            host.count(Metric::Decided(Decision::Lost));
            self.store.unbind(host, &key, Some(pin), now);
        }
        told.answers.into_iter().map(|(id, answer)| (id, Wake::Pod(answer))).collect()
    }

    /// How often [`Worker::tick`] is to be called.
    pub fn tick_period(&self) -> Duration {
        (self.config.lifetime.idle_timeout / 20).min(Duration::from_secs(1))
    }

    /// Keeps sessions from idling out while an exchange of theirs runs, however long, and looks whether
    /// pods that could not be reached are back. Says who is to be told what, as
    /// [`Worker::on_call_response`].
    pub fn tick(&self, host: &mut impl Host) -> Vec<(ExchangeId, Wake)> {
        /// So many at most, lest requests wait for a tick to end. The next one goes on.
        const NOTED: usize = 500;
        let now = host.now();
        let lifetime = &self.config.lifetime;
        let is_due = |noted| lifetime.wants_refresh(noted, now);
        let due = self.in_use.lock().tick(now, is_due, NOTED);
        for key in due {
            self.store.touch(host, key, now);
        }
        self.store.catch_up(host, self.watch.leads(), now);
        if let Some(kept) = &self.kept {
            kept.catch_up(host, self.watch.leads(), now);
            // They are no sessions.
            kept.take_counts();
        }
        let pods = self.config.steering.pods();
        let authority = |ordinal| pods.map(|pods| pods.set.authority(ordinal)).unwrap_or_default();
        let scouted =
            Scouted { authority: &authority, path: self.config.served.paths.none_of_these() };
        let ordinals = pods.map(|pods| pods.set.ordinals());
        self.count_sessions(host);
        let answers = self.watch.tick(host, ordinals.clone(), &scouted, now);
        match ordinals.filter(|_| self.watch.leads()) {
            Some(ordinals) => self.take_census(host, ordinals, now),
            None => self.told.lock().clear(),
        }
        answers.into_iter().map(|(id, answer)| (id, Wake::Pod(answer))).collect()
    }

    /// Notes where sessions were opened and ended.
    pub(crate) fn count_sessions(&self, host: &mut impl Host) {
        for (place, change) in self.store.take_counts() {
            if let Place::Pod(pod) = place {
                self.watch.counted(host, pod, change);
            }
        }
    }

    /// Counts some of the sessions, and tells how many each pod has.
    fn take_census(&self, host: &mut impl Host, ordinals: Range<u32>, now: Timestamp) {
        let mut census = self.census.lock();
        let (parts, running) = (self.store.parts(), self.watch.all(host, ordinals));
        let range = census.next(parts, &running);
        self.store.count(host, range, now, |place, lives| census.found(place, lives));
        for (pod, count) in census.ended(parts).unwrap_or_default().iter() {
            self.watch.counted_expired(host, pod, count.expired);
            let known = running.get(pod).map_or(0, |known| known.sessions);
            match census.correction(pod, *count, known) {
                0 => {}
                correction => self.watch.counted(host, pod, correction),
            }
        }
        let mut told = self.told.lock();
        for (pod, sessions) in running.iter().map(|(pod, known)| (pod, known.live())).take(TOLD) {
            // Where ids are sealed nobody knows.
            if self.store.sealer().is_none() && told.insert(pod, sessions) != Some(sessions) {
                host.set_sessions(pod, sessions.into());
            }
        }
    }

    /// A place could not be reached; whether it refuses connections.
    pub(crate) fn unreachable(&self, host: &mut impl Host, place: Place, refuses: bool) {
        let now = host.now();
        let pods = self.config.steering.pods();
        self.watch.unreachable(host, place, refuses, pods.map(|pods| &pods.set), now);
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

    /// Notes that the endpoint `by` has answered a request that was steered to `wanted`, or to nowhere. By
    /// address, that tells where steering has no effect.
    pub(crate) fn saw_endpoint(
        &self,
        host: &mut impl Host,
        wanted: Option<SocketAddr>,
        by: SocketAddr,
        now: Timestamp,
    ) {
        if !self.missed.lock().saw(wanted, by, now) {
            return;
        }
        host.count(Metric::Unsteered);
        if self.warned.lock().unsteered.admits(now, WARN_EVERY) {
            let wanted = wanted.map(|wanted| wanted.to_string()).unwrap_or_default();
            let advice = self.config.steering.advice();
            warn!(
                "steering has no effect: {wanted} answers, but not the requests of its sessions; \
                 {advice}"
            );
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

    /// Warns, now and then, of a session that somebody else has the id of.
    pub(crate) fn warn_of_stranger(&self, session: Option<SessionKey>, now: Timestamp) {
        if self.warned.lock().stranger.admits(now, WARN_OF_EACH_EVERY) {
            let session = session.map(|key| key.to_string()).unwrap_or_default();
            warn!("session {session} is presented by another than who opened it");
        }
    }

    /// Whether the log may be warned of a decision, which it is not told of otherwise.
    pub(crate) fn may_warn_of(&self, decision: Decision, now: Timestamp) -> bool {
        self.warned.lock().may(decision, now)
    }

    /// Warns, now and then, of requests about tasks that do not name them.
    pub(crate) fn warn_of_unnamed(&self, now: Timestamp) {
        if self.warned.lock().unnamed.admits(now, WARN_EVERY) {
            warn!(
                "a request about a task does not name it and goes to any pod: some clients leave Mcp-Name out; \
                 Envoy's filters mcp and header_mutation before this one can make the header that \
                 id_header of modern.affinity names"
            );
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

impl Warned {
    fn may(&mut self, decision: Decision, now: Timestamp) -> bool {
        let throttle = match decision {
            Decision::SteeringRefused => &mut self.steering_refused,
            Decision::IdTaken => &mut self.id_taken,
            Decision::BadIdOfPod => &mut self.bad_id_of_pod,
            _ => return false,
        };
        throttle.admits(now, WARN_OF_EACH_EVERY)
    }
}

#[cfg(test)]
mod tests {
    use super::{Decision, Timestamp, Warned, Worker};

    /// A proxy whose threads share one configuration may share one of these.
    #[test]
    fn threads_may_share_a_worker() {
        fn is_shared<T: Send + Sync>() {}
        is_shared::<Worker>();
    }

    #[test]
    fn each_decision_to_warn_of_is_throttled_by_itself() {
        let mut warned = Warned::default();
        for decision in [Decision::SteeringRefused, Decision::IdTaken, Decision::BadIdOfPod] {
            let mut at = |now| warned.may(decision, Timestamp(now));
            assert_eq!([0, 999, 1000].map(&mut at), [true, false, true], "{decision:?}");
        }
    }
}
