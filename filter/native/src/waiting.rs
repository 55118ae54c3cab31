//! Exchanges that wait, and how they are woken: what they wait for comes on the main thread, and they go on
//! on their own.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use podpin::host::ExchangeId;
use podpin::worker::Wake;

use crate::envoy::Scheduler;

/// So many maps that threads hardly ever meet in one.
const SHARDS: u64 = 16;

/// All exchanges of a configuration that may come to wait.
pub(crate) struct Waiting(Vec<Mutex<HashMap<u64, Arc<Slot>>>>);

/// What there is for one exchange. It may come before the hook has ended in which that began to wait.
#[derive(Default)]
pub(crate) struct Slot(Mutex<State>);

#[derive(Default)]
struct State {
    wakes: Vec<Wake>,
    /// Since it waits.
    scheduler: Option<Scheduler>,
}

// === impl Waiting ===

impl Waiting {
    pub(crate) fn new() -> Self {
        Self((0..SHARDS).map(|_| Mutex::default()).collect())
    }

    /// An exchange begins.
    pub(crate) fn enter(&self, id: ExchangeId) -> Arc<Slot> {
        let slot = Arc::<Slot>::default();
        if let Some(shard) = self.0.get((id.0 % SHARDS) as usize) {
            held(shard).insert(id.0, slot.clone());
        }
        slot
    }

    /// It is over.
    pub(crate) fn leave(&self, id: ExchangeId) {
        if let Some(shard) = self.0.get((id.0 % SHARDS) as usize) {
            held(shard).remove(&id.0);
        }
    }

    /// Wakes exchanges, those that are not over.
    pub(crate) fn wake(&self, wakes: Vec<(ExchangeId, Wake)>) {
        for (id, wake) in wakes {
            let shard = self.0.get((id.0 % SHARDS) as usize);
            let slot = shard.and_then(|shard| held(shard).get(&id.0).cloned());
            if let Some(slot) = slot {
                let mut state = held(&slot.0);
                state.wakes.push(wake);
                if let Some(scheduler) = &state.scheduler {
                    scheduler.commit(0);
                }
            }
        }
    }
}

// === impl Slot ===

impl Slot {
    /// The exchange waits from now on.
    pub(crate) fn wait(&self, scheduler: impl FnOnce() -> Scheduler) {
        let mut state = held(&self.0);
        let has_wakes = !state.wakes.is_empty();
        let scheduler = state.scheduler.get_or_insert_with(scheduler);
        if has_wakes {
            scheduler.commit(0);
        }
    }

    /// What came for it.
    pub(crate) fn take(&self) -> Vec<Wake> {
        std::mem::take(&mut held(&self.0).wakes)
    }
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
