//! Keeps a store that fails from costing every request its timeout.

use std::time::Duration;

use crate::pin::Timestamp;

/// So many failures in a row open it.
const FAILURES: u32 = 3;

/// How long it stays open before the store is tried again.
const PAUSE: Duration = Duration::from_secs(1);

/// A circuit breaker: open, it lets nothing through but one try each second.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Breaker {
    failures: u32,
    tried_at: Timestamp,
}

impl Breaker {
    /// Whether a call may be made now.
    pub(super) fn admits(&mut self, now: Timestamp) -> bool {
        if self.is_open() && now.since(self.tried_at) < PAUSE {
            return false;
        }
        self.tried_at = now;
        true
    }

    /// A call failed. True if that opened it.
    pub(super) fn failed(&mut self, now: Timestamp) -> bool {
        self.tried_at = now;
        self.failures = self.failures.saturating_add(1);
        self.failures == FAILURES
    }

    /// A call succeeded. True if that closed it.
    pub(super) fn succeeded(&mut self) -> bool {
        let was_open = self.is_open();
        self.failures = 0;
        was_open
    }

    /// Whether the store is tried only now and then.
    pub(super) fn is_open(&self) -> bool {
        self.failures >= FAILURES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_failures_in_a_row_open_it_and_one_success_closes_it() {
        let mut breaker = Breaker::default();
        let at = |milliseconds: u64| Timestamp(1_000_000 + milliseconds);
        assert!(!breaker.failed(at(0)));
        assert!(!breaker.failed(at(0)));
        assert!(!breaker.succeeded(), "it was not open");
        assert!(!breaker.failed(at(0)));
        assert!(!breaker.failed(at(0)));
        assert!(breaker.admits(at(0)));
        assert!(breaker.failed(at(0)), "the third in a row");
        assert!(!breaker.admits(at(999)));
        assert!(breaker.admits(at(1000)), "one try");
        assert!(!breaker.admits(at(1000)), "and no other beside it");
        assert!(!breaker.failed(at(1250)), "it is open already");
        assert!(!breaker.admits(at(2249)));
        assert!(breaker.admits(at(2250)));
        assert!(breaker.succeeded());
        assert!(breaker.admits(at(2250)) && breaker.admits(at(2250)));
    }
}
