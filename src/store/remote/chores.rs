//! What the store is to be told while nobody waits for it.

use std::collections::{BTreeMap, VecDeque};

use crate::pin::{Pin, Timestamp};
use crate::session::SessionKey;
use crate::store::breaker::Breaker;

/// So many are done at a time, lest they crowd out what exchanges wait for.
const AT_ONCE: usize = 32;

/// So many are kept for a store that does not answer; then the oldest is given up. A session that
/// is not kept alive may idle out early, one that is not forgotten is answered 404 by its pod.
const MOST: usize = 10_000;

/// One thing to be told.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Chore {
    /// The session was in use at this time. Its pin may have been forgotten here.
    Keep(Option<Pin>, Timestamp),
    /// The session was in use at this time, and the store has lost it.
    Restore(Pin, Timestamp),
    /// The session is over.
    Forget,
}

/// At most one chore for each session, in turns.
#[derive(Debug, Default)]
pub(super) struct Chores {
    left: BTreeMap<SessionKey, Chore>,
    turns: VecDeque<SessionKey>,
    /// How many are being done.
    begun: usize,
    breaker: Breaker,
}

impl Chores {
    /// Adds one in place of what was to be said of the session, unless that it is over.
    pub(super) fn add(&mut self, key: SessionKey, chore: Chore) {
        match self.left.get_mut(&key) {
            Some(Chore::Forget) => {}
            Some(other) => *other = chore,
            None => {
                if self.left.len() >= MOST
                    && let Some(oldest) = self.turns.pop_front()
                {
                    self.left.remove(&oldest);
                }
                self.left.insert(key, chore);
                self.turns.push_back(key);
            }
        }
    }

    /// Nothing is left to be said of a session.
    pub(super) fn cancel(&mut self, key: &SessionKey) {
        if self.left.remove(key).is_some() {
            self.turns.retain(|other| other != key);
        }
    }

    /// Takes the next one, if there is one that may be done now.
    pub(super) fn begin(&mut self, now: Timestamp) -> Option<(SessionKey, Chore)> {
        if self.begun >= AT_ONCE || !self.breaker.would_admit(now) {
            return None;
        }
        let key = self.turns.pop_front()?;
        let chore = self.left.remove(&key)?;
        self.breaker.admits(now);
        self.begun += 1;
        Some((key, chore))
    }

    /// One that was begun is done.
    pub(super) fn done(&mut self) {
        self.breaker.succeeded();
        self.begun = self.begun.saturating_sub(1);
    }

    /// One that was begun takes another turn, unless something else is to be said by now.
    pub(super) fn failed(&mut self, key: SessionKey, chore: Chore, now: Timestamp) {
        self.breaker.failed(now);
        self.begun = self.begun.saturating_sub(1);
        match chore {
            Chore::Forget => self.add(key, chore),
            _ if self.left.contains_key(&key) => {}
            // Whether it is still in use has to be asked again.
            Chore::Restore(pin, at) => self.add(key, Chore::Keep(Some(pin), at)),
            Chore::Keep(..) => self.add(key, chore),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_000_000);
    const KEEP: Chore = Chore::Keep(None, NOW);

    fn key(number: u64) -> SessionKey {
        SessionKey::from_octets((u128::from(number) << 64).to_be_bytes())
    }

    #[test]
    fn a_session_that_is_over_is_not_kept() {
        let mut chores = Chores::default();
        chores.add(key(1), KEEP);
        let (_, kept) = chores.begin(NOW).unwrap();
        chores.add(key(1), Chore::Forget);
        chores.failed(key(1), kept, NOW);
        chores.add(key(1), KEEP);
        let (_, forget) = chores.begin(NOW).unwrap();
        chores.add(key(1), KEEP);
        chores.failed(key(1), forget, NOW);
        assert_eq!(chores.begin(NOW), Some((key(1), Chore::Forget)));
        assert_eq!(chores.begin(NOW), None);
    }

    #[test]
    fn one_that_fails_lets_the_others_go_before() {
        let mut chores = Chores::default();
        (0..3).for_each(|number| chores.add(key(number), KEEP));
        for (number, second) in [(0, 0), (1, 0), (2, 0), (0, 1), (1, 2)] {
            let now = Timestamp(NOW.0 + second * 1000);
            let (next, chore) = chores.begin(now).unwrap();
            assert_eq!(next, key(number));
            chores.failed(next, chore, now);
        }
        assert_eq!(chores.begin(Timestamp(NOW.0 + 2999)), None, "it pauses meanwhile");
    }

    #[test]
    fn a_few_are_done_at_a_time_and_the_oldest_are_given_up() {
        let mut chores = Chores::default();
        (0..20_000).for_each(|number| chores.add(key(number), KEEP));
        chores.cancel(&key(19_999));
        let mut all = Vec::new();
        loop {
            let before = all.len();
            all.extend(std::iter::from_fn(|| chores.begin(NOW)));
            assert!(all.len() - before <= AT_ONCE);
            if all.len() == before {
                break;
            }
            (before..all.len()).for_each(|_| chores.done());
        }
        let keys: Vec<_> = all.into_iter().map(|(key, _)| key).collect();
        assert_eq!(keys, (10_000..19_999).map(key).collect::<Vec<_>>());
    }
}
