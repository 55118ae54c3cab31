//! How the filter is configured.

use std::cell::RefCell;
use std::collections::HashMap;

use podpin::config::Config;
use serde_json::{Value, json};
use simulated::mini_redis::{Front, MiniRedis};

use crate::input::Input;
use crate::workload::{Mode, SUBJECT, keys, parsed, redis};

/// Where pins are kept.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) enum Kind {
    SharedData,
    Redis,
    Upstash,
    Signed,
    Sealed,
}

/// The configuration of all proxies.
#[derive(Clone, Copy, Debug)]
pub(super) struct Setup {
    pub(super) mode: Mode,
    pub(super) kind: Kind,
    flags: usize,
    replicas: usize,
    capacity: usize,
}

const REPLICAS: [u32; 4] = [3, 1, 2, 5];
/// Small, for each tick looks through a part of the table.
const CAPACITIES: [u32; 3] = [16, 8, 64];

impl Setup {
    pub(super) fn read(input: &mut Input<'_>) -> Self {
        use Kind::{Redis, Sealed, SharedData, Signed, Upstash};
        let mode = input.one_of(&Mode::ALL);
        let kind = match input.one_of(&[SharedData, Redis, Upstash, Signed, Sealed]) {
            // Whoever can write to the Redis could send requests anywhere.
            Redis | Upstash if mode == Mode::OriginalDst => Signed,
            kind => kind,
        };
        Self { mode, kind, flags: input.below(32), replicas: 0, capacity: 0 }
    }

    /// Another number of pods, or of sessions.
    pub(super) fn change(&mut self, input: &mut Input<'_>) {
        self.replicas = input.below(REPLICAS.len());
        self.capacity = input.below(CAPACITIES.len());
    }

    pub(super) fn has_redis(&self) -> bool {
        matches!(self.kind, Kind::Redis | Kind::Upstash | Kind::Signed)
    }

    /// How many proxies there are: those that share nothing have nothing to do with each other.
    pub(super) fn proxies(&self) -> u64 {
        if self.kind == Kind::SharedData { 1 } else { 2 }
    }

    /// Sessions belong to subjects.
    pub(super) fn is_bound(&self) -> bool {
        self.flags & 1 != 0
    }

    /// A session opens although the store fails.
    pub(super) fn continues(&self) -> bool {
        self.flags & 2 != 0 && self.has_redis()
    }

    pub(super) fn redis(&self) -> Option<MiniRedis> {
        self.has_redis().then(|| MiniRedis::new(self.front()))
    }

    fn front(&self) -> Front {
        if self.kind == Kind::Upstash { Front::Upstash } else { Front::Webdis }
    }

    /// The configuration, which takes longer to read than most inputs to run.
    pub(super) fn config(&self) -> Config {
        type Key = (Mode, Kind, usize, usize, usize);
        thread_local! {
            static KNOWN: RefCell<HashMap<Key, Config>> = RefCell::default();
        }
        let key = (self.mode, self.kind, self.flags, self.replicas, self.capacity);
        KNOWN.with_borrow_mut(|known| {
            known.entry(key).or_insert_with(|| parsed(&self.plugin())).clone()
        })
    }

    fn plugin(&self) -> Value {
        let mut plugin = self.mode.plugin();
        let capacity = CAPACITIES[self.capacity];
        plugin["store"] = match self.kind {
            Kind::SharedData => json!({"capacity": capacity}),
            Kind::Redis | Kind::Upstash | Kind::Signed => redis(self.front()),
            Kind::Sealed => json!({"kind": "sealed", "keys": keys(), "remember_ended": 100}),
        };
        if self.has_redis() {
            plugin["store"]["capacity"] = json!(capacity);
        }
        if self.kind == Kind::Signed {
            plugin["store"]["keys"] = keys();
        }
        if self.kind == Kind::Sealed {
            plugin["session"] = json!({"max_age": "1h"});
        }
        if self.is_bound() {
            plugin["session"]["bind_to"] = json!([{"header": SUBJECT}]);
            plugin["session"]["require_subject"] = json!(self.flags & 4 != 0);
        }
        if self.continues() {
            plugin["store"]["on_error"] = json!("continue");
        }
        if self.flags & 8 != 0 {
            plugin["on_unreachable"] = json!("unavailable");
        }
        if self.mode.is_by_name() {
            plugin["workload"]["replicas"] = json!(REPLICAS[self.replicas]);
            if self.flags & 16 != 0 && self.kind != Kind::Sealed {
                plugin["placement"] = json!({"policy": "least_sessions"});
            }
        }
        plugin
    }
}
