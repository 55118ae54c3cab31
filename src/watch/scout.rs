//! Finds out whether pods that are out are back: one thread of the proxy sends each of them a request
//! now and then, and any response of theirs counts.
//!
//! Who does so, and what else only one thread should do, holds a lease, the key `podpin/<scope>/pods/1/scout` in shared data: a `u64` that no other
//! thread has, and a `u64` of when it ends.

use std::ops::Range;
use std::time::Duration;

use super::Watch;
use crate::host::{CallId, CallResponse, Callout, Host};
use crate::pods::{Ejection, Ordinal, Place};
use crate::session::Timestamp;
use crate::sorted::Sorted;
use crate::telemetry::{Gauge, Metric};

/// A lease that is not renewed for so long is another's to take.
const LEASE: Duration = Duration::from_secs(3);

/// The lowest of the pods that are out are asked this often: a StatefulSet grows by its lowest ordinal
/// that is not there.
const EVERY: Duration = Duration::from_secs(2);

/// So many are the lowest.
const LOWEST: usize = 8;

/// Of the others so many are asked by a tick, in turns.
const OTHERS: usize = 4;

/// What a pod may take to answer.
const TIMEOUT: Duration = Duration::from_secs(1);

/// How a pod is asked.
#[derive(Clone, Copy)]
pub struct Scouted<'a> {
    /// The `:authority` that leads to a pod.
    pub authority: &'a dyn Fn(Ordinal) -> String,
    /// A path that is none of the workload's: a server may open a session for whoever asks there.
    pub path: &'a str,
}

#[derive(Debug, Default)]
pub(super) struct Scouting {
    id: Option<u64>,
    leads: bool,
    asked: Sorted<Ordinal, Timestamp>,
    running: Sorted<CallId, Ordinal>,
}

impl Scouting {
    /// Which of the pods that are out are to be asked now. They count as asked.
    fn due(&mut self, out: impl Iterator<Item = Ordinal>, now: Timestamp) -> Vec<Ordinal> {
        let out: Vec<_> = out.collect();
        self.asked.retain(|asked, _| out.contains(&asked));
        let (lowest, others) = out.split_at_checked(LOWEST).unwrap_or((&out, &[]));
        let asked = |ordinal: &Ordinal| self.asked.get(*ordinal).copied();
        let is_due = |ordinal: &&Ordinal| asked(ordinal).is_none_or(|at| now.apart(at) >= EVERY);
        let mut due: Vec<_> = lowest.iter().filter(is_due).copied().collect();
        for _ in 0..OTHERS {
            let left = others.iter().filter(|ordinal| !due.contains(ordinal));
            due.extend(left.min_by_key(|ordinal| asked(ordinal)).filter(is_due).copied());
        }
        for ordinal in &due {
            self.asked.insert(*ordinal, now);
        }
        due
    }
}

impl Watch {
    /// Whether this thread does for all what only one should.
    pub fn leads(&self) -> bool {
        self.state.lock().scouting.leads
    }

    pub(super) fn scout(
        &self,
        host: &mut impl Host,
        ordinals: Range<u32>,
        scouted: &Scouted<'_>,
        now: Timestamp,
    ) {
        let leads = self.leads();
        let changes = self.ledger.changes(host);
        let is_new = self.state.lock().changes != Some(changes);
        let has_out = !self.state.lock().out.is_empty();
        if !(is_new || leads && has_out) {
            return;
        }
        let out = self.ledger.out(host, ordinals);
        {
            let mut state = self.state.lock();
            state.changes = Some(changes);
            state.out = out.iter().map(|(pod, ejection)| (pod, ejection.times > 0)).collect();
        }
        if leads {
            host.set(Gauge::Ejected, out.len() as u64);
            self.ask_all(host, out, scouted, now);
        }
    }

    fn ask_all(
        &self,
        host: &mut impl Host,
        out: Sorted<Ordinal, Ejection>,
        scouted: &Scouted<'_>,
        now: Timestamp,
    ) {
        let answering = |ejection: &Ejection| ejection.answers && ejection.may_end(now);
        for (ordinal, _) in out.iter().filter(|(_, ejection)| answering(ejection)) {
            self.is_back(host, ordinal, now);
        }
        let silent = out.iter().filter(|(_, ejection)| !ejection.answers);
        let due = self.state.lock().scouting.due(silent.map(|(ordinal, _)| ordinal), now);
        for ordinal in due {
            let Some(ejection) = out.get(ordinal) else { continue };
            let callout = Callout {
                cluster: ejection.cluster.clone(),
                method: "HEAD",
                path: scouted.path.to_owned(),
                authority: (scouted.authority)(ordinal),
                headers: Vec::new(),
                body: Vec::new(),
                timeout: TIMEOUT,
            };
            // A proxy that has no address for it refuses at once.
            if let Ok(call) = host.call(&callout) {
                self.state.lock().scouting.running.insert(call, ordinal);
            }
        }
    }

    /// True if it was one of these.
    pub(super) fn on_scouted(
        &self,
        host: &mut impl Host,
        call: CallId,
        response: &CallResponse,
    ) -> bool {
        let Some(ordinal) = self.state.lock().scouting.running.remove(call) else { return false };
        if response.is_from_server {
            let now = host.now();
            self.is_back(host, ordinal, now);
        }
        true
    }

    fn is_back(&self, host: &mut impl Host, ordinal: Ordinal, now: Timestamp) {
        let known = self.ledger.update(host, Place::Pod(ordinal), &mut |known| known.answered(now));
        if !known.is_out() && self.state.lock().out.remove(ordinal).is_some() {
            host.count(Metric::Readmitted);
        }
    }

    /// Takes the lease or keeps it, if no other thread has it.
    pub(super) fn take_lead(&self, host: &mut impl Host, now: Timestamp) {
        let leads = self.renew(host, now);
        self.state.lock().scouting.leads = leads;
    }

    fn renew(&self, host: &mut impl Host, now: Timestamp) -> bool {
        let known = self.state.lock().scouting.id;
        let id = known.unwrap_or_else(|| host.random().unwrap_or(now.0) | 1);
        self.state.lock().scouting.id = Some(id);
        let key = self.ledger.key("scout");
        let read = host.shared(&key);
        let (holder, ends) = read.as_ref().map_or((0, 0), |(bytes, _)| lease(bytes));
        let is_over = now.0 >= ends || ends > now.0.saturating_add(2 * LEASE.as_millis() as u64);
        if holder != id && !is_over {
            return false;
        }
        let ends = now.0.saturating_add(LEASE.as_millis() as u64);
        let value = [id.to_be_bytes(), ends.to_be_bytes()].concat();
        host.replace(&key, &value, read.map(|(_, version)| version)).is_ok()
    }
}

fn lease(bytes: &[u8]) -> (u64, u64) {
    match bytes.as_chunks::<8>() {
        ([id, ends], []) => (u64::from_be_bytes(*id), u64::from_be_bytes(*ends)),
        _ => (0, 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_are_asked_every_two_seconds_and_the_others_in_turns() {
        let (mut scouting, mut asked) = (Scouting::default(), vec![0; 100]);
        for second in 0..60 {
            let due = scouting.due((0..100).map(Ordinal), Timestamp(second * 1000));
            assert!(due.len() <= LOWEST + OTHERS);
            due.iter().for_each(|ordinal| asked[ordinal.0 as usize] += 1);
        }
        assert_eq!(asked[..LOWEST], [30; LOWEST]);
        assert!(asked[LOWEST..].iter().all(|times| (2..=3).contains(times)), "{asked:?}");
    }
}
