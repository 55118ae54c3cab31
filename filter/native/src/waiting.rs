//! Exchanges that wait, and how they are woken: what they wait for comes on the main thread, and they go on
//! on their own.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use podpin::host::ExchangeId;
use podpin::worker::Wake;

use crate::envoy::Scheduler;

/// What comes for an exchange before the hook has ended in which that begins to wait is kept until so many
/// ticks have come: by then the exchange is over.
const KEPT: u8 = 2;

/// All exchanges of a configuration that wait.
#[derive(Default)]
pub(crate) struct Waiting(Mutex<All>);

#[derive(Default)]
struct All {
    slots: HashMap<u64, Arc<Slot>>,
    /// For exchanges that do not wait, or not yet, and how many ticks came since.
    early: HashMap<u64, (Vec<Wake>, u8)>,
}

/// An exchange that waits.
pub(crate) struct Slot {
    scheduler: Scheduler,
    wakes: Mutex<Vec<Wake>>,
}

// === impl Waiting ===

impl Waiting {
    /// An exchange waits, for the first time.
    pub(crate) fn enter(&self, id: ExchangeId, scheduler: Scheduler) -> Arc<Slot> {
        let mut all = held(&self.0);
        let (wakes, _) = all.early.remove(&id.0).unwrap_or_default();
        let has_wakes = !wakes.is_empty();
        let slot = Arc::new(Slot { scheduler, wakes: Mutex::new(wakes) });
        all.slots.insert(id.0, slot.clone());
        if has_wakes {
            slot.scheduler.commit(0);
        }
        slot
    }

    /// An exchange that waited is over.
    pub(crate) fn leave(&self, id: ExchangeId) {
        held(&self.0).slots.remove(&id.0);
    }

    /// Wakes exchanges, those that are not over.
    pub(crate) fn wake(&self, wakes: Vec<(ExchangeId, Wake)>) {
        if wakes.is_empty() {
            return;
        }
        let mut all = held(&self.0);
        for (id, wake) in wakes {
            match all.slots.get(&id.0) {
                Some(slot) => {
                    held(&slot.wakes).push(wake);
                    slot.scheduler.commit(0);
                }
                None => all.early.entry(id.0).or_default().0.push(wake),
            }
        }
    }

    /// Forgets what came for exchanges that are over.
    pub(crate) fn tick(&self) {
        held(&self.0).early.retain(|_, (_, ticks)| {
            *ticks += 1;
            *ticks <= KEPT
        });
    }
}

// === impl Slot ===

impl Slot {
    /// What came.
    pub(crate) fn take(&self) -> Vec<Wake> {
        std::mem::take(&mut held(&self.wakes))
    }
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
