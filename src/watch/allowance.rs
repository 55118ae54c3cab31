//! How often a pod may be asked.

use std::time::Duration;

use crate::pods::Place;
use crate::session::Timestamp;
use crate::sorted::Sorted;

/// So many questions at once, and then one each [`PERIOD`].
const AT_ONCE: u32 = 5;

/// In which the allowance of one question comes back.
const PERIOD: Duration = Duration::from_millis(200);

/// So many pods are kept in mind.
const MOST: usize = 10_000;

/// What each pod may still be asked.
#[derive(Debug, Default)]
pub(super) struct Allowances(Sorted<Place, Allowance>);

#[derive(Clone, Copy, Debug)]
struct Allowance {
    left: u32,
    since: Timestamp,
}

impl Allowances {
    /// Whether a question may be asked now, and is.
    pub(super) fn take(&mut self, place: Place, now: Timestamp) -> bool {
        if self.0.len() >= MOST {
            self.0.clear();
        }
        let fresh = Allowance { left: AT_ONCE, since: now };
        let mut allowance = self.0.get(place).copied().unwrap_or(fresh);
        let earned = now.apart(allowance.since).as_millis() / PERIOD.as_millis();
        if earned > 0 {
            let earned = u32::try_from(earned).unwrap_or(u32::MAX);
            allowance.left = allowance.left.saturating_add(earned).min(AT_ONCE);
            allowance.since = now;
        }
        let may = allowance.left > 0;
        allowance.left = allowance.left.saturating_sub(1);
        self.0.insert(place, allowance);
        may
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pods::Ordinal;

    #[test]
    fn a_pod_is_asked_a_few_times_a_second() {
        let mut allowances = Allowances::default();
        let one = Place::Pod(Ordinal(1));
        let asked = |allowances: &mut Allowances, place, now| {
            (0..100).filter(|_| allowances.take(place, Timestamp(now))).count()
        };
        assert_eq!(asked(&mut allowances, one, 1000), 5);
        assert_eq!(asked(&mut allowances, Place::Pod(Ordinal(2)), 1000), 5, "each for itself");
        assert_eq!(asked(&mut allowances, one, 1199), 0);
        assert_eq!(asked(&mut allowances, one, 1200), 1);
        assert_eq!(asked(&mut allowances, one, 1600), 2);
        assert_eq!(asked(&mut allowances, one, 60_000), 5);
        assert_eq!(asked(&mut allowances, one, 50_000), 5, "a clock was set back");
    }
}
