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

impl Count {
    /// By how much the running count, `now`, is to be changed. Of what was opened and ended during the
    /// round half was found, by and large.
    pub(crate) fn correction(self, now: u32) -> i32 {
        let meanwhile = i64::from(now) - i64::from(self.began);
        let right = i64::from(self.found) + meanwhile / 2;
        i32::try_from(right - i64::from(now)).unwrap_or(0)
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
    fn a_count_that_was_quiet_is_put_right_and_a_busy_one_is_estimated() {
        for (about, found, began, now, wanted) in [
            ("right", 7, 7, 7, 7),
            ("some expired", 3, 7, 7, 3),
            ("some were missed", 9, 7, 7, 9),
            ("10 were opened meanwhile, half of them found", 12, 7, 17, 17),
            ("10 were ended meanwhile, half of them found", 12, 17, 7, 7),
            ("none is left", 0, 5, 5, 0),
        ] {
            let count = Count { found, began };
            assert_eq!(now as i32 + count.correction(now), wanted, "{about}");
        }
    }
}
