//! The ends of sessions that a worker thread has yet to tell the store, kept where others find them: a
//! VM that dies loses what it has in memory.
//!
//! | key | holds |
//! |---|---|
//! | `podpin/<scope>/ends/1/<n>` | a `u64` that no other thread has, a `u64` until when that thread lives if it does not say so again, and the sessions as entries of the table |
//!
//! `<scope>` is [`Scope::own_key`], `<n>` is below 64, and 1 the number of the format. Uses that were not told are
//! not in it: the next use of the session tells.

use super::table::{decode_sessions, encode_session};
use crate::host::SharedData;
use crate::session::{Pin, Scope, SessionKey, Timestamp};

/// So many threads can keep one.
const SLOTS: u64 = 64;

/// A thread that says nothing for so long is dead, in milliseconds.
const LIFE: u64 = 10_000;

/// So many ends at most are kept.
const MOST: usize = 500;

/// The journal of one thread.
#[derive(Debug)]
pub(super) struct Journal {
    prefix: String,
    id: u64,
    slot: Option<u64>,
    written: Vec<(SessionKey, Pin)>,
    until: Timestamp,
}

impl Journal {
    /// Begins one. No other thread has this `id`.
    pub(super) fn new(scope: &Scope, id: u64) -> Self {
        let prefix = format!("podpin/{}/ends/1/", scope.own_key());
        Self { prefix, id, slot: None, written: Vec::new(), until: Timestamp::default() }
    }

    /// Notes what is left to be told, unless that is as it was.
    pub(super) fn note(
        &mut self,
        data: &mut dyn SharedData,
        mut left: Vec<(SessionKey, Pin)>,
        now: Timestamp,
    ) {
        left.truncate(MOST);
        let is_fresh = now.0.saturating_add(LIFE / 2) < self.until.0 || left.is_empty();
        if left == self.written && is_fresh {
            return;
        }
        self.until = Timestamp(now.0.saturating_add(LIFE));
        let mut value = [self.id.to_be_bytes(), self.until.0.to_be_bytes()].concat();
        left.iter().for_each(|(key, pin)| encode_session(*key, *pin, &mut value));
        let first = self.slot.unwrap_or(self.id % SLOTS);
        for slot in (0..SLOTS).map(|step| (first + step) % SLOTS) {
            let read = data.shared(&self.key(slot));
            let (bytes, version) = read.map(|(bytes, at)| (bytes, Some(at))).unwrap_or_default();
            let is_anothers = parts(&bytes).is_some_and(|(id, until, rest)| {
                id != self.id && (now.0 < until || !rest.is_empty())
            });
            if !is_anothers && data.replace(&self.key(slot), &value, version).is_ok() {
                self.slot = Some(slot);
                self.written = left;
                return;
            }
        }
    }

    /// What threads that died had yet to tell. It is for the caller to tell it now.
    pub(super) fn take_over(
        &self,
        data: &mut dyn SharedData,
        now: Timestamp,
    ) -> Vec<(SessionKey, Pin)> {
        let mut left = Vec::new();
        for slot in 0..SLOTS {
            let Some((bytes, version)) = data.shared(&self.key(slot)) else { continue };
            let Some((id, until, sessions)) = parts(&bytes) else { continue };
            let is_dead = id != self.id && now.0 >= until && !sessions.is_empty();
            if is_dead && data.replace(&self.key(slot), &[], Some(version)).is_ok() {
                left.extend(decode_sessions(sessions));
            }
        }
        left
    }

    fn key(&self, slot: u64) -> String {
        format!("{}{slot}", self.prefix)
    }
}

/// Whose it is, until when, and the rest.
fn parts(bytes: &[u8]) -> Option<(u64, u64, &[u8])> {
    let (id, rest) = bytes.split_first_chunk()?;
    let (until, rest) = rest.split_first_chunk()?;
    Some((u64::from_be_bytes(*id), u64::from_be_bytes(*until), rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::SharedMap;
    use crate::pods::{Ordinal, Place};

    const NOW: Timestamp = Timestamp(1_000_000);

    fn session(number: u8) -> (SessionKey, Pin) {
        let place = Place::Pod(Ordinal(number.into()));
        let pin = Pin { place, incarnation: None, subject: None, bound_at: NOW, used_at: NOW };
        (SessionKey::from_bytes([number; 16]), pin)
    }

    fn after(seconds: u64) -> Timestamp {
        Timestamp(NOW.0 + 1000 * seconds)
    }

    #[test]
    fn what_a_thread_that_dies_had_to_tell_is_taken_over_once() {
        let data = &mut SharedMap::default();
        let scope = Scope::new("default/myserver");
        // Three that would like the same slot.
        let [mut dying, mut living, other] = [5, 69, 133].map(|id| Journal::new(&scope, id));
        dying.note(data, vec![session(1), session(2)], NOW);
        living.note(data, vec![session(3)], NOW);
        living.note(data, vec![session(3)], after(6));
        assert_eq!(other.take_over(data, after(9)), []);
        assert_eq!(other.take_over(data, after(10)), [session(1), session(2)]);
        assert_eq!(other.take_over(data, after(10)), []);
        living.note(data, Vec::new(), after(11));
        assert_eq!(other.take_over(data, after(100)), [], "all was told");
    }

    #[test]
    fn what_is_as_it_was_is_not_written_again() {
        let data = &mut SharedMap::default();
        let mut journal = Journal::new(&Scope::new("default/myserver"), 5);
        for second in 0..100 {
            journal.note(data, Vec::new(), after(second));
        }
        assert_eq!(data.writes, 0);
        for second in 0..100 {
            journal.note(data, vec![session(1)], after(second));
        }
        assert!((20..=25).contains(&data.writes), "{}", data.writes);
    }
}
