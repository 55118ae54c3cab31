//! What the store has just said it does not know.

use std::collections::VecDeque;
use std::time::Duration;

use crate::session::{SessionKey, Timestamp};

/// For so long it is not asked again: another proxy may have bound the session since.
const GOOD_FOR: Duration = Duration::from_secs(1);

/// So many are kept in mind; then the oldest is forgotten.
const MOST: usize = 1024;

/// Sessions that the store does not know, or that have ended here, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Absent(VecDeque<(SessionKey, Timestamp)>);

impl Absent {
    /// A session is absent as of `now`.
    pub(super) fn add(&mut self, key: SessionKey, now: Timestamp) {
        self.0.retain(|(other, since)| *other != key && is_good(*since, now));
        if self.0.len() >= MOST {
            self.0.pop_front();
        }
        self.0.push_back((key, now));
    }

    /// A session is there after all.
    pub(super) fn remove(&mut self, key: &SessionKey) {
        self.0.retain(|(other, _)| other != key);
    }

    /// Whether a session was absent a moment ago.
    pub(super) fn contains(&self, key: &SessionKey, now: Timestamp) -> bool {
        self.0.iter().any(|(other, since)| other == key && is_good(*since, now))
    }
}

fn is_good(since: Timestamp, now: Timestamp) -> bool {
    now.apart(since) < GOOD_FOR
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_000_000);

    fn key(number: u64) -> SessionKey {
        SessionKey::from_bytes((u128::from(number) << 64).to_be_bytes())
    }

    fn after(milliseconds: u64) -> Timestamp {
        Timestamp(NOW.0 + milliseconds)
    }

    #[test]
    fn a_session_is_absent_for_a_second_or_until_it_is_bound() {
        let mut absent = Absent::default();
        absent.add(key(1), NOW);
        absent.add(key(2), NOW);
        absent.remove(&key(2));
        assert!(absent.contains(&key(1), after(999)) && !absent.contains(&key(1), after(1000)));
        assert!(!absent.contains(&key(2), NOW) && !absent.contains(&key(3), NOW));
        assert!(!absent.contains(&key(1), Timestamp(5)), "the clock was set back");
        absent.add(key(1), after(1000));
        assert!(absent.contains(&key(1), after(1999)));
    }

    #[test]
    fn it_is_bounded_by_number_and_by_time() {
        let mut absent = Absent::default();
        (0..5000).for_each(|number| absent.add(key(number), NOW));
        assert!(absent.contains(&key(4999), NOW) && !absent.contains(&key(0), NOW));
        assert_eq!(absent.0.len(), MOST);
        absent.add(key(9000), after(1000));
        assert_eq!(absent.0.len(), 1);
    }
}
