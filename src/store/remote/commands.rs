//! The commands of Redis that pins need.

use std::time::Duration;

use super::record;
use crate::pods::StatefulSet;
use crate::session::{Lifetime, Pin, SessionKey, Timestamp};

/// Writes commands for the pins of one workload.
#[derive(Debug)]
pub(super) struct Commands {
    key_prefix: String,
    set: StatefulSet,
    lifetime: Lifetime,
}

impl Commands {
    pub(super) fn new(key_prefix: String, set: StatefulSet, lifetime: Lifetime) -> Self {
        Self { key_prefix, set, lifetime }
    }

    /// Reads a pin and keeps it from idling out, at once (Redis 6.2).
    pub(super) fn look(&self, key: &SessionKey) -> Vec<String> {
        let time_to_live = seconds(self.lifetime.idle_timeout);
        vec!["GETEX".into(), self.name(key), "EX".into(), time_to_live]
    }

    /// Reads a pin.
    pub(super) fn get(&self, key: &SessionKey) -> Vec<String> {
        vec!["GET".into(), self.name(key)]
    }

    /// Writes a pin down, unless there is one.
    pub(super) fn set(&self, key: &SessionKey, pin: &Pin, now: Timestamp) -> Vec<String> {
        let value = record::encode(pin, &self.set);
        let time_to_live = self.time_to_live(pin.bound_at, pin.used_at, now);
        vec!["SET".into(), self.name(key), value, "EX".into(), time_to_live, "NX".into()]
    }

    /// Keeps a pin that was used at `used_at` from idling out.
    pub(super) fn expire(
        &self,
        key: &SessionKey,
        bound_at: Timestamp,
        used_at: Timestamp,
        now: Timestamp,
    ) -> Vec<String> {
        vec!["EXPIRE".into(), self.name(key), self.time_to_live(bound_at, used_at, now)]
    }

    /// Removes a pin.
    pub(super) fn delete(&self, key: &SessionKey) -> Vec<String> {
        vec!["DEL".into(), self.name(key)]
    }

    fn name(&self, key: &SessionKey) -> String {
        format!("{}{key:x}", self.key_prefix)
    }

    /// Seconds until a session has idled out or grown too old.
    fn time_to_live(&self, bound_at: Timestamp, used_at: Timestamp, now: Timestamp) -> String {
        let Lifetime { idle_timeout, max_age } = self.lifetime;
        let idle = idle_timeout.saturating_sub(now.since(used_at));
        seconds(idle.min(max_age.saturating_sub(now.since(bound_at))))
    }
}

/// Whole seconds, at least one.
fn seconds(duration: Duration) -> String {
    duration.as_millis().div_ceil(1000).max(1).to_string()
}
