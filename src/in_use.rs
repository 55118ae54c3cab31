//! Sessions that are in use by exchanges that run long.

use std::collections::{BTreeMap, BTreeSet};

use crate::host::ExchangeId;
use crate::session::{SessionKey, Timestamp};

/// Exchanges that were sent where their session lives and are not over.
///
/// Most end before the next tick, so those that are newer lie apart and cost an insertion and a
/// removal. The rest are ordered by when their session was last noted as in use, so a tick looks at
/// those that are due and at no others.
#[derive(Debug, Default)]
pub(crate) struct InUse {
    /// Those that began since the last tick.
    new: BTreeMap<ExchangeId, SessionKey>,
    old: BTreeMap<ExchangeId, (SessionKey, Timestamp)>,
    /// The old ones, the one that was noted longest ago first.
    by_time: BTreeSet<(Timestamp, ExchangeId)>,
    ticked: Timestamp,
}

impl InUse {
    pub(crate) fn new(now: Timestamp) -> Self {
        Self { ticked: now, ..Self::default() }
    }

    /// An exchange uses a session from now on.
    pub(crate) fn begin(&mut self, id: ExchangeId, key: SessionKey) {
        self.new.insert(id, key);
    }

    /// It no longer does.
    pub(crate) fn end(&mut self, id: ExchangeId) {
        if self.new.remove(&id).is_none()
            && let Some((_, noted)) = self.old.remove(&id)
        {
            self.by_time.remove(&(noted, id));
        }
    }

    /// The sessions, `most` at most, whose last note `is_due` by now. They count as noted.
    pub(crate) fn tick(
        &mut self,
        now: Timestamp,
        is_due: impl Fn(Timestamp) -> bool,
        most: usize,
    ) -> Vec<SessionKey> {
        if now < self.ticked {
            self.set_back(now);
        }
        let began = std::mem::replace(&mut self.ticked, now);
        for (id, key) in std::mem::take(&mut self.new) {
            self.note(id, key, began.min(now));
        }
        let mut due = Vec::new();
        while due.len() < most
            && let Some((noted, id)) = self.by_time.first().copied()
            && is_due(noted)
        {
            self.by_time.pop_first();
            if let Some((key, _)) = self.old.get(&id).copied() {
                self.note(id, key, now);
                due.push(key);
            }
        }
        due
    }

    fn note(&mut self, id: ExchangeId, key: SessionKey, at: Timestamp) {
        self.old.insert(id, (key, at));
        self.by_time.insert((at, id));
    }

    /// The clock was set back: what was noted later than now was noted now.
    fn set_back(&mut self, now: Timestamp) {
        for (_, noted) in self.old.values_mut() {
            *noted = now.min(*noted);
        }
        self.by_time = self.old.iter().map(|(id, (_, noted))| (*noted, *id)).collect();
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    const DUE: u64 = 10_000;

    fn key(number: u64) -> SessionKey {
        SessionKey::from_bytes(u128::from(number).to_be_bytes())
    }

    /// Ticks, and says how many are due and how many were looked at.
    fn tick(in_use: &mut InUse, now: u64) -> (usize, usize) {
        let looked = Cell::new(0);
        let is_due = |noted: Timestamp| {
            looked.set(looked.get() + 1);
            now.saturating_sub(noted.0) >= DUE
        };
        (in_use.tick(Timestamp(now), is_due, 500).len(), looked.get())
    }

    #[test]
    fn a_tick_looks_at_what_is_due_and_at_no_other() {
        let mut in_use = InUse::new(Timestamp(0));
        (0..100_000).for_each(|id| in_use.begin(ExchangeId(id), key(id)));
        (0..99_000).for_each(|id| in_use.end(ExchangeId(id)));
        for now in (1000..DUE).step_by(1000) {
            assert_eq!(tick(&mut in_use, now), (0, 1));
        }
        assert_eq!(tick(&mut in_use, DUE), (500, 500));
        assert_eq!(tick(&mut in_use, DUE + 1000), (500, 500), "the next tick goes on");
        assert_eq!(tick(&mut in_use, DUE + 2000), (0, 1));
        (99_000..100_000).for_each(|id| in_use.end(ExchangeId(id)));
        assert_eq!(tick(&mut in_use, 10 * DUE), (0, 0));
    }

    #[test]
    fn a_clock_that_is_set_back_holds_nothing_up() {
        let mut in_use = InUse::new(Timestamp(9 * DUE));
        in_use.begin(ExchangeId(1), key(1));
        assert_eq!(tick(&mut in_use, 9 * DUE + 1), (0, 1));
        in_use.begin(ExchangeId(2), key(2));
        assert_eq!(tick(&mut in_use, DUE), (0, 1));
        assert_eq!(tick(&mut in_use, 2 * DUE).0, 2);
        in_use.end(ExchangeId(1));
        assert_eq!(tick(&mut in_use, 3 * DUE).0, 1);
    }
}
