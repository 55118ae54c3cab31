//! Counts the sessions of each pod, so that what the running counts miss is put right: sessions that
//! expired, and what a worker thread that died had no time to write.

use std::ops::Range;

use crate::pods::{Ordinal, Place};
use crate::sorted::Sorted;

/// So many parts of the store are counted at a time at most.
const AT_ONCE: u32 = 1000;

/// A round through the store takes so many ticks, or more if it is large.
const TICKS: u32 = 10;

/// A count under way.
#[derive(Debug, Default)]
pub(crate) struct Census {
    next: u32,
    /// What was found, and what the running count said when the round began.
    pods: Sorted<Ordinal, Count>,
    /// How far the running counts were off by the round before.
    off: Sorted<Ordinal, i32>,
}

/// The sessions of one pod.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Count {
    found: u32,
    began: u32,
}

impl Census {
    /// The parts to count next, of so many. `running` is what the running counts say.
    pub(crate) fn next(
        &mut self,
        parts: u32,
        running: impl FnOnce() -> Sorted<Ordinal, u32>,
    ) -> Range<u32> {
        if self.next == 0 {
            let began = |(ordinal, began): (_, &u32)| (ordinal, Count { found: 0, began: *began });
            self.pods = running().iter().map(began).collect();
        }
        let size = parts.div_ceil(TICKS).clamp(1, AT_ONCE);
        let end = self.next.saturating_add(size).min(parts);
        std::mem::replace(&mut self.next, end)..end
    }

    /// A session was found.
    pub(crate) fn found(&mut self, place: Place) {
        if let Place::Pod(ordinal) = place {
            match self.pods.get_mut(ordinal) {
                Some(count) => count.found += 1,
                None => drop(self.pods.insert(ordinal, Count { found: 1, began: 0 })),
            }
        }
    }

    /// Ends a round, if all of `parts` are counted.
    pub(crate) fn ended(&mut self, parts: u32) -> Option<Sorted<Ordinal, Count>> {
        (self.next >= parts).then(|| {
            self.next = 0;
            std::mem::take(&mut self.pods)
        })
    }
}

impl Census {
    /// By how much the running count of a pod, `now`, is to be changed. Sessions come
    /// and go while they are counted, so only what was off in two quiet rounds on end is put right.
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
                    let range = census.next(parts, Sorted::default);
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
            ("50 were opened that no thread has told yet", 60, 10, 10, 0),
            ("they are told meanwhile", 60, 10, 60, 0),
            ("5 have expired", 55, 60, 60, 0),
            ("they have indeed", 55, 60, 60, -5),
            ("all is well", 55, 55, 55, 0),
            ("one more was told that had ended before", 55, 56, 56, 0),
            ("and another", 55, 57, 57, 0),
            ("that lasts", 55, 57, 57, -2),
        ] {
            let correction = census.correction(pod, Count { found, began }, now);
            assert_eq!(correction, wanted, "{about}");
        }
    }
}
