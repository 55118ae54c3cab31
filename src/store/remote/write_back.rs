//! What the store is to be told while nobody waits for it.

use std::collections::{BTreeMap, VecDeque};

use super::breaker::Breaker;
use super::commands::Over;
use crate::session::{Pin, SessionKey, Timestamp};

/// So many are done at a time, lest they crowd out what exchanges wait for.
const AT_ONCE: usize = 32;

/// So many are kept for a store that does not answer; then the oldest is given up. A session that
/// is not kept alive may idle out early, one that is not forgotten is answered 404 by its pod.
const MOST: usize = 10_000;

/// One thing to be told.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Write {
    /// The session was in use at this time. Its pin may have been forgotten here.
    Keep(Option<Pin>, Timestamp),
    /// The session was in use at this time, and the store has lost it.
    Restore(Pin, Timestamp),
    /// What the store says of a session that ended long ago may go.
    LetGo,
    /// The session of this pin is over: what the store says of it by now is read. `again` if it
    /// was once, and changed before that could be written down.
    End { pin: Pin, again: bool },
    /// The session of this pin is over, and that is written down.
    Bury { pin: Pin, over: Over, again: bool },
}

/// At most one write for each session, in turns; one that follows from what is being done of its
/// session waits for that.
#[derive(Debug, Default)]
pub(super) struct WriteBack {
    left: BTreeMap<SessionKey, Write>,
    turns: VecDeque<SessionKey>,
    /// What is being done.
    busy: Vec<(SessionKey, Write)>,
    breaker: Breaker,
}

impl WriteBack {
    /// Adds one in place of what was to be said of the session, unless that it is over.
    pub(super) fn add(&mut self, key: SessionKey, write: Write) {
        match (self.left.get_mut(&key), write) {
            (Some(Write::End { .. }), Write::Keep(..) | Write::Restore(..))
            | (Some(_), Write::LetGo) => {}
            (Some(other), _) => *other = write,
            (None, _) => {
                if self.left.len() >= MOST
                    && let Some(oldest) = self.turns.pop_front()
                {
                    self.left.remove(&oldest);
                }
                self.left.insert(key, write);
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

    /// Whether something is being done about a session.
    pub(super) fn is_busy(&self, key: &SessionKey) -> bool {
        self.busy.iter().any(|(other, _)| other == key)
    }

    /// Whether the end of a session is yet to be told.
    pub(super) fn ends(&self, key: &SessionKey) -> bool {
        let is_end = |write: &Write| matches!(write, Write::End { .. });
        self.left.get(key).is_some_and(is_end)
            || self.busy.iter().any(|(other, write)| other == key && is_end(write))
    }

    /// The ends that are yet to be told, or told for all that is known.
    pub(super) fn untold_ends(&self) -> Vec<(SessionKey, Pin)> {
        let left = self.left.iter().map(|(key, write)| (*key, *write));
        let all = left.chain(self.busy.iter().copied());
        let ends = all.filter_map(|(key, write)| match write {
            Write::End { pin, .. } | Write::Bury { pin, .. } => Some((key, pin)),
            Write::Keep(..) | Write::Restore(..) | Write::LetGo => None,
        });
        ends.collect()
    }

    /// Takes the next one, if there is one that may be done now.
    pub(super) fn begin(&mut self, now: Timestamp) -> Option<(SessionKey, Write)> {
        if self.busy.len() >= AT_ONCE || !self.breaker.would_admit(now) {
            return None;
        }
        let place = self.turns.iter().position(|key| !self.is_busy(key))?;
        let key = self.turns.remove(place)?;
        let write = self.left.remove(&key)?;
        self.breaker.admits(now);
        self.busy.push((key, write));
        Some((key, write))
    }

    /// One that was begun is done.
    pub(super) fn done(&mut self, key: &SessionKey) {
        self.breaker.succeeded();
        self.busy.retain(|(other, _)| other != key);
    }

    /// One that was begun takes another turn, unless something else is to be said by now.
    pub(super) fn failed(&mut self, key: SessionKey, write: Write, now: Timestamp) {
        self.breaker.failed(now);
        self.busy.retain(|(other, _)| *other != key);
        match write {
            Write::End { pin, .. } | Write::Bury { pin, .. } => match self.left.get(&key) {
                // An id that was given out again, and that session has ended too.
                Some(Write::End { .. }) => {}
                _ => self.add(key, Write::End { pin, again: false }),
            },
            _ if self.left.contains_key(&key) => {}
            // Whether it is still in use has to be asked again.
            Write::Restore(pin, at) => self.add(key, Write::Keep(Some(pin), at)),
            Write::Keep(..) | Write::LetGo => self.add(key, write),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pods::Ordinal;
    use crate::pods::Place;

    const NOW: Timestamp = Timestamp(1_000_000);
    const KEEP: Write = Write::Keep(None, NOW);

    const PIN: Pin = Pin {
        place: Place::Pod(Ordinal(1)),
        incarnation: None,
        subject: None,
        bound_at: NOW,
        used_at: NOW,
    };
    const END: Write = Write::End { pin: PIN, again: false };

    fn key(number: u64) -> SessionKey {
        SessionKey::from_bytes((u128::from(number) << 64).to_be_bytes())
    }

    #[test]
    fn a_session_that_is_over_is_not_kept() {
        let mut write_back = WriteBack::default();
        write_back.add(key(1), KEEP);
        let (_, kept) = write_back.begin(NOW).unwrap();
        write_back.add(key(1), END);
        write_back.failed(key(1), kept, NOW);
        write_back.add(key(1), KEEP);
        let (_, end) = write_back.begin(NOW).unwrap();
        write_back.add(key(1), KEEP);
        assert!(write_back.ends(&key(1)));
        let bury = Write::Bury { pin: PIN, over: Over::Another, again: true };
        assert_eq!(end, END);
        write_back.failed(key(1), bury, NOW);
        assert_eq!(write_back.begin(NOW), Some((key(1), END)));
        assert_eq!(write_back.begin(NOW), None);
    }

    #[test]
    fn what_is_to_be_said_of_a_session_waits_for_what_is_being_said_of_it() {
        let mut write_back = WriteBack::default();
        write_back.add(key(1), KEEP);
        assert_eq!(write_back.begin(NOW), Some((key(1), KEEP)));
        write_back.add(key(1), END);
        write_back.add(key(2), KEEP);
        assert_eq!(write_back.begin(NOW), Some((key(2), KEEP)), "others go before");
        assert_eq!(write_back.begin(NOW), None);
        assert!(write_back.is_busy(&key(1)));
        write_back.done(&key(1));
        assert_eq!(write_back.begin(NOW), Some((key(1), END)));
    }

    #[test]
    fn one_that_fails_lets_the_others_go_before() {
        let mut write_back = WriteBack::default();
        (0..3).for_each(|number| write_back.add(key(number), KEEP));
        for (number, second) in [(0, 0), (1, 0), (2, 0), (0, 1), (1, 2)] {
            let now = Timestamp(NOW.0 + second * 1000);
            let (next, write) = write_back.begin(now).unwrap();
            assert_eq!(next, key(number));
            write_back.failed(next, write, now);
        }
        assert_eq!(write_back.begin(Timestamp(NOW.0 + 2999)), None, "it pauses meanwhile");
    }

    #[test]
    fn a_few_are_done_at_a_time_and_the_oldest_are_given_up() {
        let mut write_back = WriteBack::default();
        (0..20_000).for_each(|number| write_back.add(key(number), KEEP));
        write_back.cancel(&key(19_999));
        let mut all = Vec::new();
        loop {
            let before = all.len();
            all.extend(std::iter::from_fn(|| write_back.begin(NOW)));
            assert!(all.len() - before <= AT_ONCE);
            if all.len() == before {
                break;
            }
            let begun = all.get(before..).unwrap_or_default();
            begun.iter().for_each(|(key, _)| write_back.done(key));
        }
        let keys: Vec<_> = all.into_iter().map(|(key, _)| key).collect();
        assert_eq!(keys, (10_000..19_999).map(key).collect::<Vec<_>>());
    }
}
