//! The commands of Redis that pins need: `GET`, `GETEX` (Redis 6.2) and `SET`.

use std::time::Duration;

use super::record::{Record, Unread};
use super::signed::Signer;
use crate::pods::Places;
use crate::session::{Lifetime, Pin, SessionKey, Timestamp};

/// Writes commands for the pins of one workload.
#[derive(Debug)]
pub(super) struct Commands {
    pub(super) key_prefix: String,
    pub(super) places: Places,
    pub(super) lifetime: Lifetime,
    /// Whether sessions belong to subjects.
    pub(super) is_bound: bool,
    /// Signs records, if anything does.
    pub(super) signer: Option<Signer>,
}

/// On what a record may be written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Over {
    /// On nothing.
    Nothing,
    /// In the place of another record.
    Another,
}

impl Commands {
    /// Reads a record and keeps it from idling out, at once, unless it may be that of another than who asks.
    pub(super) fn look(&self, key: &SessionKey) -> Vec<String> {
        match self.is_bound {
            true => self.get(key),
            false => self.read_and_keep(key, self.lifetime.idle_timeout),
        }
    }

    /// Reads a record.
    pub(super) fn get(&self, key: &SessionKey) -> Vec<String> {
        vec!["GET".into(), self.name(key)]
    }

    /// Keeps a pin that was used at `used_at` from idling out, and reads it.
    pub(super) fn keep(
        &self,
        key: &SessionKey,
        bound_at: Timestamp,
        used_at: Timestamp,
        now: Timestamp,
    ) -> Vec<String> {
        self.read_and_keep(key, self.time_to_live(bound_at, used_at, now))
    }

    /// Lets a record go, and reads it.
    pub(super) fn let_go(&self, key: &SessionKey) -> Vec<String> {
        self.read_and_keep(key, Duration::ZERO)
    }

    /// Writes a pin down.
    pub(super) fn set(
        &self,
        key: &SessionKey,
        pin: &Pin,
        over: Over,
        now: Timestamp,
    ) -> Vec<String> {
        let time_to_live = self.time_to_live(pin.bound_at, pin.used_at, now);
        self.write(key, Record::Pin(*pin), time_to_live, over)
    }

    /// Writes down that a session has ended.
    pub(super) fn bury(&self, key: &SessionKey, over: Over, now: Timestamp) -> Vec<String> {
        self.write(key, Record::Ended(now), self.mourning(), over)
    }

    /// For so long the end of a session is kept in mind: any other proxy that still knows it has
    /// idled it out by then, or has written a use back and so learned of its end.
    pub(super) fn mourning(&self) -> Duration {
        self.lifetime.idle_timeout.saturating_add(self.lifetime.idle_timeout / 10)
    }

    /// Whether a session is over for its age.
    pub(super) fn is_too_old(&self, pin: &Pin, now: Timestamp) -> bool {
        now.since(pin.bound_at) >= self.lifetime.max_age
    }

    /// Whether a session would be over for its age before it idled out.
    pub(super) fn ages_before_it_idles(&self, pin: &Pin, now: Timestamp) -> bool {
        let age = now.since(pin.bound_at);
        self.lifetime.max_age.saturating_sub(age) < self.lifetime.idle_timeout
    }

    /// What a stored value says of a session.
    pub(super) fn record(&self, key: &SessionKey, text: &str) -> Result<Record, Unread> {
        match &self.signer {
            Some(signer) => Record::decode(&signer.verified(key, text)?, &self.places),
            None => Record::decode(text, &self.places),
        }
    }

    fn read_and_keep(&self, key: &SessionKey, time_to_live: Duration) -> Vec<String> {
        vec!["GETEX".into(), self.name(key), "EX".into(), seconds(time_to_live)]
    }

    fn write(
        &self,
        key: &SessionKey,
        record: Record,
        time_to_live: Duration,
        over: Over,
    ) -> Vec<String> {
        let over = match over {
            Over::Nothing => "NX",
            Over::Another => "XX",
        };
        let (value, time_to_live) = (record.encode(&self.places), seconds(time_to_live));
        let value = match &self.signer {
            Some(signer) => signer.sign(key, &value),
            None => value,
        };
        vec!["SET".into(), self.name(key), value, "EX".into(), time_to_live, over.into()]
    }

    fn name(&self, key: &SessionKey) -> String {
        format!("{}{key:x}", self.key_prefix)
    }

    /// How long it takes until a session has idled out or grown too old.
    fn time_to_live(&self, bound_at: Timestamp, used_at: Timestamp, now: Timestamp) -> Duration {
        let Lifetime { idle_timeout, max_age } = self.lifetime;
        let idle = idle_timeout.saturating_sub(now.since(used_at));
        idle.min(max_age.saturating_sub(now.since(bound_at)))
    }
}

/// Whole seconds, at least one.
fn seconds(duration: Duration) -> String {
    duration.as_millis().div_ceil(1000).max(1).to_string()
}
