//! What a worker thread finds out about the pods: who gets no new session, who seems to have restarted,
//! and whether a pod still knows a session.
//!
//! What it finds out goes to the [`Ledger`], where all threads of the proxy see it. A pod that cannot
//! be reached gets no new session until it answers a request of the filter's own (`scout.rs`), which
//! one thread sends for all. A pod by whose response a session may be lost is asked about that session
//! by an MCP `ping` (`ping.rs`).

mod allowance;
mod judgement;
mod ping;
mod scout;

use std::net::SocketAddr;
use std::ops::Range;
use std::time::Duration;

use crate::host::{CallId, CallResponse, ExchangeId, Host};
use crate::lock::Lock;
use crate::pods::{Known, Ledger, Ordinal, Place, Placement, Spread, StatefulSet};
use crate::session::{Pin, Scope, SessionKey, Timestamp};
use crate::sorted::Sorted;
use crate::telemetry::Metric;

pub use judgement::{Answer, hints_at_loss};
use ping::Pings;
pub use ping::{Question, Target};
pub use scout::Scouted;
use scout::Scouting;

/// A pod that has answered within this time was not restarted since: that takes longer, and while it
/// takes, connections to it fail. So long it is taken at its word without a look.
const AT_ITS_WORD: Duration = Duration::from_millis(5);

/// For so long after a pod has lost a session it is not.
const MISTRUST: Duration = Duration::from_secs(60);

/// So long after pods were doubted those that are there have answered.
const SETTLED: Duration = Duration::from_secs(5);

/// So many pods are kept in mind by one thread.
const MOST: usize = 20_000;

/// How pods are watched.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct WatchConfig {
    /// The least time that a pod which cannot be reached gets no new sessions.
    pub eject: Duration,
    /// How long a pod may take to answer whether it knows a session.
    pub timeout: Duration,
    /// A cluster that connects to the address which `x-envoy-original-dst-host` names, where the pods'
    /// own cluster cannot be made to reach a certain one.
    pub cluster: Option<String>,
}

/// What one worker thread knows of the pods of a workload.
#[derive(Debug)]
pub struct Watch {
    ledger: Ledger,
    config: WatchConfig,
    state: Lock<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Pods that get no new sessions, and whether they were tried in vain, as last read from the ledger
    /// at this number of its changes.
    out: Sorted<Ordinal, bool>,
    changes: Option<u32>,
    /// Since when there are some that were not tried.
    doubted_at: Option<Timestamp>,
    /// Sessions that are being opened, and so not counted in the ledger yet.
    opening: Sorted<Ordinal, u32>,
    /// What was heard of each.
    heard: Sorted<Place, Heard>,
    pings: Pings,
    scouting: Scouting,
}

/// What was heard of a pod.
#[derive(Clone, Copy, Debug)]
struct Heard {
    /// It last answered a request that was sent then.
    last: Timestamp,
    /// It did not know a session, or could not be reached.
    lost_at: Option<Timestamp>,
}

/// What came of a callout.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Told {
    /// Exchanges that waited, and the answer to each.
    pub answers: Vec<(ExchangeId, Answer)>,
    /// A session that its pod does not know, if no exchange waits that would end it.
    pub lost: Option<(SessionKey, Pin)>,
}

// === impl Watch ===

impl Watch {
    /// Begins to watch the pods of a workload.
    pub fn new(scope: &Scope, config: WatchConfig) -> Self {
        Self { ledger: Ledger::new(scope), config, state: Lock::default() }
    }

    /// The pod for a new session. `random` is uniform over all of `u64`.
    pub fn pick<H: Host>(
        &self,
        host: &mut H,
        placement: &Placement,
        random: impl Fn(&mut H) -> u64,
    ) -> Option<Ordinal> {
        // If all are out, the lowest that was not tried yet is the likeliest to be there.
        self.pick_among(host, placement, &random)
            .or_else(|| {
                let state = self.state.lock();
                placement.lowest(|one| state.out.get(one).is_some_and(|has_failed| !has_failed))
            })
            .or_else(|| placement.draw(|| random(host), |_| false))
    }

    /// The same among those that are not out.
    fn pick_among<H: Host>(
        &self,
        host: &mut H,
        placement: &Placement,
        random: &impl Fn(&mut H) -> u64,
    ) -> Option<Ordinal> {
        let is_out = |ordinal| self.state.lock().out.get(ordinal).is_some();
        let wanted = match placement.spread() {
            Spread::Random => 1,
            Spread::LeastSessions => 2,
        };
        let (mut best, mut seen): (Option<(Ordinal, u32)>, u32) = (None, 0);
        while seen < wanted {
            let taken = best.map(|(ordinal, _)| ordinal);
            let drawn = placement.draw(|| random(host), |one| is_out(one) || Some(one) == taken);
            let Some(ordinal) = drawn else { break };
            let known = self.ledger.known(host, Place::Pod(ordinal));
            if known.is_out() {
                // Another thread has just found that out.
                self.state.lock().out.insert(ordinal, known.has_failed());
                continue;
            }
            seen += 1;
            let opening = self.state.lock().opening.get(ordinal).copied().unwrap_or(0);
            let sessions = known.live().saturating_add(opening);
            if best.is_none_or(|(_, fewest)| sessions < fewest) {
                best = Some((ordinal, sessions));
            }
        }
        best.map(|(ordinal, _)| ordinal)
    }

    /// The pod of a key: of those that take new sessions, the one with the greatest weight. And whether that is
    /// more than a guess: not while it is being found out which pods there are.
    pub fn choose(
        &self,
        host: &impl Host,
        placement: &Placement,
        weight: impl Fn(Ordinal) -> u64,
    ) -> Option<(Ordinal, bool)> {
        let mut state = self.state.lock();
        loop {
            let (out, untried) = (&state.out, |failed: &bool| !failed);
            let there = placement.heaviest(&weight, |one| out.get(one).is_none());
            // If all are out, the lowest that was not tried yet is the likeliest to be there.
            let likeliest = || placement.lowest(|one| out.get(one).is_some_and(untried));
            let Some(pod) = there.or_else(likeliest) else {
                return Some((placement.heaviest(&weight, |_| true)?, false));
            };
            // Another thread may have just found it out, or back.
            let known = self.ledger.known(host, Place::Pod(pod));
            let is_out = known.is_out().then(|| known.has_failed());
            match is_out {
                now if now.as_ref() == state.out.get(pod) => {
                    let is_sure = is_out.is_none() && state.is_settled(|| host.now());
                    return Some((pod, is_sure));
                }
                Some(has_failed) => drop(state.out.insert(pod, has_failed)),
                None => drop(state.out.remove(pod)),
            }
        }
    }

    /// Whether there may be a pod for a key beside the one of `place`.
    pub fn has_another(&self, host: &impl Host, placement: &Placement, place: Place) -> bool {
        let is_another = |pod| {
            let other = Place::Pod(pod);
            other != place && !self.ledger.known(host, other).has_failed()
        };
        placement.lowest(is_another).is_some()
    }

    /// Whether a place is one that requests reach, and that has not been lost since `since`.
    pub fn has_stayed(&self, host: &impl Host, place: Place, since: Timestamp) -> bool {
        let known = self.ledger.known(host, place);
        match place {
            Place::Pod(_) => !known.has_failed(),
            // Envoy says which are there, and another pod may have an address by now.
            Place::Endpoint(_) => known.restarted_at <= since,
        }
    }

    /// The cluster that reaches a pod by its address.
    pub fn cluster(&self) -> Option<&str> {
        self.config.cluster.as_deref()
    }

    /// A session is being opened on this pod.
    pub fn begin_opening(&self, pod: Ordinal) {
        let opening = &mut self.state.lock().opening;
        let before = opening.get(pod).copied().unwrap_or(0);
        opening.insert(pod, before + 1);
    }

    /// It no longer is.
    pub fn end_opening(&self, pod: Ordinal) {
        let mut state = self.state.lock();
        if let Some(opening) = state.opening.get_mut(pod) {
            *opening -= 1;
            if *opening == 0 {
                state.opening.remove(pod);
            }
        }
    }

    /// So many more sessions are known on this pod, or fewer.
    pub fn counted(&self, host: &mut impl Host, pod: Ordinal, change: i32) {
        self.ledger.update(host, Place::Pod(pod), &mut |known| {
            let sessions = known.sessions.saturating_add_signed(change);
            std::mem::replace(&mut known.sessions, sessions) != sessions
        });
    }

    /// So many of the sessions on this pod have expired.
    pub fn counted_expired(&self, host: &mut impl Host, pod: Ordinal, expired: u32) {
        self.ledger.update(host, Place::Pod(pod), &mut |known| {
            std::mem::replace(&mut known.expired, expired) != expired
        });
    }

    /// What all threads know of each pod.
    pub(crate) fn all(&self, host: &impl Host, ordinals: Range<u32>) -> Sorted<Ordinal, Known> {
        self.ledger.all(host, ordinals)
    }

    /// A place could not be reached. A pod gets no new session until it answers; if it `refuses` connections,
    /// not before the least time of an ejection. One that had no address has not failed: it was not there yet.
    ///
    /// If one of `set` is not there, no other that nothing is known of is taken for granted.
    pub fn unreachable(
        &self,
        host: &mut impl Host,
        place: Place,
        refuses: bool,
        set: Option<&StatefulSet>,
        now: Timestamp,
    ) {
        self.mistrust(place, now);
        let least = if refuses { self.config.eject } else { Duration::ZERO };
        let cluster = host.upstream_cluster();
        let mut is_new = false;
        self.ledger.update(host, place, &mut |known| {
            is_new = matches!(place, Place::Pod(_)) && known.eject(now, least, cluster.clone());
            known.restarted(now) || is_new
        });
        if !is_new {
            return;
        }
        host.count(Metric::Ejected);
        if let (Some(set), Place::Pod(pod), Some(cluster)) = (set, place, cluster) {
            // A proxy may have a cluster for each pod.
            let cluster = |ordinal| cluster.replace(&set.host(pod), &set.host(ordinal));
            self.ledger.doubt_unknown(host, set.ordinals(), now, &cluster);
        }
    }

    /// A pod did not know a session: it may have lost others.
    pub fn restarted(&self, host: &mut impl Host, place: Place, now: Timestamp) {
        self.mistrust(place, now);
        self.ledger.update(host, place, &mut |known| known.restarted(now));
    }

    /// A pod knows a session that it was thought to have lost.
    pub fn keeps(&self, host: &mut impl Host, pin: &Pin, answered_by: Option<SocketAddr>) {
        self.ledger.update(host, pin.place, &mut |known| known.keeps(pin, answered_by));
    }

    /// Whether the session of `pin` may have been lost by a restart of its pod.
    pub fn may_have_lost(
        &self,
        host: &impl Host,
        pin: &Pin,
        answered_by: Option<SocketAddr>,
    ) -> bool {
        self.ledger.known(host, pin.place).may_have_lost(pin, answered_by)
    }

    /// A place has answered a request that was sent at `asked_at`. Says whether it might have restarted
    /// unnoticed since it last did, or has lost sessions a while ago, so that it pays to look at what it
    /// says.
    pub fn heard(&self, place: Place, asked_at: Timestamp) -> bool {
        let heard = &mut self.state.lock().heard;
        match heard.get_mut(place) {
            Some(Heard { last, lost_at }) => {
                let is_long_ago = asked_at.apart(*last) >= AT_ITS_WORD;
                *last = asked_at;
                is_long_ago || lost_at.is_some_and(|lost_at| asked_at.apart(lost_at) < MISTRUST)
            }
            None => {
                keep(heard, place, Heard { last: asked_at, lost_at: None });
                true
            }
        }
    }

    /// A place cannot be taken at its word for a while.
    fn mistrust(&self, place: Place, now: Timestamp) {
        let heard = Heard { last: Timestamp::default(), lost_at: Some(now) };
        keep(&mut self.state.lock().heard, place, heard);
    }

    /// A pod that is out has answered a request.
    pub fn answered(&self, host: &mut impl Host, place: Place, now: Timestamp) {
        let Place::Pod(pod) = place else { return };
        if self.state.lock().out.get(pod).is_some() {
            self.ledger.update(host, place, &mut |known| known.answered(now));
        }
    }

    /// A pod has answered a request of no session. Where one is not there, those that nothing is known of are not
    /// taken for granted, so this is to be known.
    pub fn is_there(&self, host: &mut impl Host, place: Place, now: Timestamp) {
        let Place::Pod(pod) = place else { return };
        let mut state = self.state.lock();
        let (is_out, is_new) = (state.out.get(pod).is_some(), state.heard.get(place).is_none());
        if is_new {
            // Of its sessions that says nothing.
            keep(&mut state.heard, place, Heard { last: Timestamp::default(), lost_at: None });
        }
        drop(state);
        if is_out || is_new {
            self.ledger.update(host, place, &mut |known| known.answered(now) || is_new);
        }
    }

    /// Takes the response to a callout, if it is one of its own.
    pub fn on_call_response(
        &self,
        host: &mut impl Host,
        call: CallId,
        response: &CallResponse,
    ) -> Option<Told> {
        if self.on_scouted(host, call, response) {
            return Some(Told::default());
        }
        self.on_pinged(host, call, response)
    }

    /// An exchange waits no longer.
    pub fn leave(&self, exchange: ExchangeId) {
        self.state.lock().pings.leave(exchange);
    }

    /// To be called about every second.
    pub fn tick(
        &self,
        host: &mut impl Host,
        ordinals: Option<Range<u32>>,
        scouted: &Scouted<'_>,
        now: Timestamp,
    ) -> Vec<(ExchangeId, Answer)> {
        self.take_lead(host, now);
        if let Some(ordinals) = ordinals {
            self.scout(host, ordinals, scouted, now);
        }
        self.overdue(now)
    }
}

impl State {
    /// Whether it has been found out which pods there are: where some were doubted, all have been asked by now.
    fn is_settled(&mut self, now: impl Fn() -> Timestamp) -> bool {
        if self.out.iter().all(|(_, has_failed)| *has_failed) {
            self.doubted_at = None;
            return true;
        }
        let now = now();
        now.apart(*self.doubted_at.get_or_insert(now)) >= SETTLED
    }
}

/// Keeps in mind what was heard of a place. There are only so many, unless someone invents some.
fn keep(heard: &mut Sorted<Place, Heard>, place: Place, of_it: Heard) {
    if heard.len() >= MOST {
        heard.clear();
    }
    heard.insert(place, of_it);
}
