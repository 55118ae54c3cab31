//! Counts what the store knows of each pod's sessions. The running counts in the ledger tell how many it
//! has; that some of them have expired nobody sees but this, nor that a worker thread has died before it
//! had counted.

use std::ops::Range;

use crate::pods::{Known, Ordinal, Place};
use crate::sorted::Sorted;

/// So many parts of the store are counted at a time at most.
const AT_ONCE: u32 = 1000;

/// A round through the store takes so many ticks, or more if it is large.
const TICKS: u32 = 10;

/// A count under way.
#[derive(Debug, Default)]
pub(crate) struct Census {
    next: u32,
    pods: Sorted<Ordinal, Count>,
    /// How far the running counts were off by the round before.
    off: Sorted<Ordinal, i32>,
}

/// The sessions of one pod.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Count {
    /// What the running count said when the round began.
    began: u32,
    found: u32,
    /// Of these.
    pub(crate) expired: u32,
}

impl Census {
    /// The parts to count next, of so many. `running` is what the ledger says.
    pub(crate) fn next(&mut self, parts: u32, running: &Sorted<Ordinal, Known>) -> Range<u32> {
        if self.next == 0 {
            let began = |known: &Known| Count { began: known.sessions, ..Count::default() };
            self.pods = running.iter().map(|(pod, known)| (pod, began(known))).collect();
        }
        let size = parts.div_ceil(TICKS).clamp(1, AT_ONCE);
        let end = self.next.saturating_add(size).min(parts);
        std::mem::replace(&mut self.next, end)..end
    }

    /// A session was found.
    pub(crate) fn found(&mut self, place: Place, lives: bool) {
        let Place::Pod(pod) = place else { return };
        let mut count = self.pods.get(pod).copied().unwrap_or_default();
        count.found += 1;
        count.expired += u32::from(!lives);
        self.pods.insert(pod, count);
    }

    /// Ends a round, if all of `parts` are counted.
    pub(crate) fn ended(&mut self, parts: u32) -> Option<Sorted<Ordinal, Count>> {
        (self.next >= parts).then(|| {
            self.next = 0;
            std::mem::take(&mut self.pods)
        })
    }

    /// By how much the running count of a pod, `now`, is to be changed. Sessions come and go while they
    /// are counted, so only what was off in two quiet rounds on end is put right.
    pub(crate) fn correction(&mut self, pod: Ordinal, count: Count, now: u32) -> i32 {
        let off = count.off(now);
        match self.off.insert(pod, off) == Some(off) {
            true => off,
            false => 0,
        }
    }
}

impl Count {
    /// By how much the running count, `now`, is off, as far as that can be told: not while it changes.
    fn off(self, now: u32) -> i32 {
        match self.began == now {
            true => i32::try_from(i64::from(self.found) - i64::from(now)).unwrap_or(0),
            false => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_counts_every_part_once() {
        for parts in [1, 3, 12, 5000, 12_288, 800_000] {
            let (mut census, mut counted, mut ticks) = (Census::default(), 0, 0);
            for _ in 0..2 {
                loop {
                    let range = census.next(parts, &Sorted::default());
                    assert_eq!(range.start, counted % parts);
                    assert!((1..=1000).contains(&range.len()));
                    counted += range.len() as u32;
                    ticks += 1;
                    if census.ended(parts).is_some() {
                        break;
                    }
                }
            }
            assert_eq!(counted, 2 * parts);
            assert!(ticks <= 20 || parts > 10_000, "{ticks}");
        }
    }

    #[test]
    fn only_what_is_off_in_two_quiet_rounds_is_put_right() {
        let (mut census, pod) = (Census::default(), Ordinal(0));
        for (about, found, began, now, wanted) in [
            ("all is well", 60, 60, 60, 0),
            ("50 more were opened meanwhile", 90, 60, 110, 0),
            ("a thread has died that had ended 5", 105, 110, 110, 0),
            ("they are gone indeed", 105, 110, 110, -5),
            ("all is well", 105, 105, 105, 0),
            ("one more is missed", 105, 106, 106, 0),
            ("and another", 105, 107, 107, 0),
            ("that lasts", 105, 107, 107, -2),
        ] {
            let correction = census.correction(pod, Count { found, began, expired: 0 }, now);
            assert_eq!(correction, wanted, "{about}");
        }
    }
}
