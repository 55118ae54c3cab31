//! Keeps a store that fails from costing every request its timeout.

use std::time::Duration;

use super::dialect::{Fault, Reply};
use crate::session::Timestamp;

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
    /// Whether a call may be made now, and is.
    pub(super) fn admits(&mut self, now: Timestamp) -> bool {
        let admits = self.would_admit(now);
        if admits {
            self.tried_at = now;
        }
        admits
    }

    /// Whether a call may be made now.
    pub(super) fn would_admit(&self, now: Timestamp) -> bool {
        !self.is_open() || now.apart(self.tried_at) >= PAUSE
    }

    /// A call failed.
    pub(super) fn failed(&mut self, now: Timestamp) {
        self.tried_at = now;
        self.failures = self.failures.saturating_add(1);
    }

    /// A call was answered.
    pub(super) fn answered(&mut self, reply: &Result<Reply, Fault>, now: Timestamp) {
        match reply {
            Err(Fault::Front(_)) => self.failed(now),
            // What Redis refuses it refuses at once: that costs no request a timeout.
            Ok(_) | Err(Fault::Redis(_)) => self.succeeded(),
        }
    }

    /// A call succeeded.
    pub(super) fn succeeded(&mut self) {
        self.failures = 0;
    }

    fn is_open(&self) -> bool {
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
        for _ in 0..2 {
            breaker.failed(at(0));
            breaker.failed(at(0));
            assert!(breaker.admits(at(0)), "two in a row");
            breaker.succeeded();
        }
        (0..3).for_each(|_| breaker.failed(at(0)));
        assert!(!breaker.admits(at(999)));
        assert!(breaker.would_admit(at(1000)) && breaker.would_admit(at(1000)));
        assert!(breaker.admits(at(1000)), "one try");
        assert!(!breaker.admits(at(1000)), "and no other beside it");
        breaker.failed(at(1250));
        assert!(!breaker.admits(at(2249)));
        assert!(breaker.admits(at(2250)));
        assert!(breaker.admits(at(1250)), "the clock was set back");
        breaker.succeeded();
        assert!(breaker.admits(at(2250)) && breaker.admits(at(2250)));
    }
}
