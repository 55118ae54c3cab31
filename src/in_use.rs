//! Sessions that are in use by exchanges that run long.

use std::collections::{BTreeMap, BTreeSet};

use crate::host::ExchangeId;
use crate::session::{SessionKey, Timestamp};

/// Exchanges that were sent where their session lives and are not over.
///
/// Most end before the next tick, so one that begins costs an insertion and a removal. The rest are
/// ordered by when their session was last noted as in use, so a tick looks at those that are due and
/// at no others.
#[derive(Debug, Default)]
pub(crate) struct InUse {
    running: BTreeMap<ExchangeId, Use>,
    /// Those that began since the last tick, over or not.
    new: Vec<ExchangeId>,
    /// The others, the one that was noted longest ago first.
    by_time: BTreeSet<(Timestamp, ExchangeId)>,
    ticked: Timestamp,
}

#[derive(Debug)]
struct Use {
    key: SessionKey,
    /// When the session was last noted as in use, if a tick has seen this.
    noted: Option<Timestamp>,
}

impl InUse {
    pub(crate) fn new(now: Timestamp) -> Self {
        Self { ticked: now, ..Self::default() }
    }

    /// An exchange uses a session from now on.
    pub(crate) fn begin(&mut self, id: ExchangeId, key: SessionKey) {
        let earlier = self.running.insert(id, Use { key, noted: None });
        if let Some(noted) = earlier.and_then(|earlier| earlier.noted) {
            self.by_time.remove(&(noted, id));
        }
        self.new.push(id);
    }

    /// It no longer does.
    pub(crate) fn end(&mut self, id: ExchangeId) {
        if let Some(Use { noted: Some(noted), .. }) = self.running.remove(&id) {
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
        let began = std::mem::replace(&mut self.ticked, now).min(now);
        for id in std::mem::take(&mut self.new) {
            self.note(id, began);
        }
        let mut due = Vec::new();
        while due.len() < most
            && let Some((noted, id)) = self.by_time.first().copied()
            && is_due(noted)
        {
            self.by_time.pop_first();
            due.extend(self.note(id, now));
        }
        due
    }

    fn note(&mut self, id: ExchangeId, at: Timestamp) -> Option<SessionKey> {
        let running = self.running.get_mut(&id)?;
        running.noted = Some(at);
        self.by_time.insert((at, id));
        Some(running.key)
    }

    /// The clock was set back: what was noted later than now was noted now.
    fn set_back(&mut self, now: Timestamp) {
        for noted in self.running.values_mut().filter_map(|running| running.noted.as_mut()) {
            *noted = now.min(*noted);
        }
        let noted = self.running.iter().filter_map(|(id, running)| Some((running.noted?, *id)));
        self.by_time = noted.collect();
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
