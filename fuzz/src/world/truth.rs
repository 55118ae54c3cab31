//! What is true of sessions, whatever the filter says.

use std::collections::{BTreeMap, BTreeSet};

use super::IDS;
use super::setup::{Kind, Setup};

/// A session that a client may have: by the id that its pod gave out, or by its sealed one.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Name {
    /// Of Streamable HTTP.
    Id(usize),
    /// Of HTTP+SSE.
    Stream(usize),
    Sealed(Vec<u8>),
}

/// Where a session lives of which a client has learned.
#[derive(Clone, Debug)]
struct Home {
    place: String,
    subject: Option<usize>,
    bound_at: u64,
    used_at: u64,
}

/// What is true.
pub(super) struct Truth {
    /// Sessions that live for sure.
    homes: BTreeMap<Name, Home>,
    /// Where each could ever have been opened.
    ever: BTreeMap<Name, BTreeSet<String>>,
    /// Ids of sessions that have ended.
    ended: BTreeSet<Name>,
    /// The sealed id that a client last got for each id.
    sealed: [Option<Vec<u8>>; IDS],
    /// Nothing is for sure.
    lied: bool,
    is_bound: bool,
    kind: Kind,
    has_redis: bool,
}

/// No session idles out sooner after its last use that was noted.
const IDLE: u64 = 50_000;
const MAX_AGE: u64 = 3_600_000;

impl Truth {
    pub(super) fn new(setup: &Setup) -> Self {
        Self {
            homes: BTreeMap::new(),
            ever: BTreeMap::new(),
            ended: BTreeSet::new(),
            sealed: [const { None }; IDS],
            lied: setup.continues(),
            is_bound: setup.is_bound(),
            kind: setup.kind,
            has_redis: setup.has_redis(),
        }
    }

    /// The store says what is not so.
    pub(super) fn lies(&mut self) {
        self.lied = true;
    }

    /// The id by which a client uses a session of Streamable HTTP.
    pub(super) fn sealed(&self, id: usize) -> Option<&[u8]> {
        self.sealed[id].as_deref()
    }

    pub(super) fn is_sealed(&self) -> bool {
        self.kind == Kind::Sealed
    }

    /// A pod has answered so that a session may be opened there.
    pub(super) fn may_be_at(&mut self, name: Name, place: String) {
        self.ever.entry(name).or_default().insert(place);
    }

    /// A client has got a sealed id.
    pub(super) fn got(&mut self, id: usize, sealed: Vec<u8>) {
        self.sealed[id] = Some(sealed);
    }

    /// A client learns of a session that its pod opened `at` this time.
    pub(super) fn told(
        &mut self,
        name: Name,
        place: String,
        subject: Option<usize>,
        at: u64,
        now: u64,
    ) {
        if let Some(home) = self.living(&name, now) {
            assert_eq!(home.place, place, "two pods for one live session, {name:?}");
        }
        self.may_be_at(name.clone(), place.clone());
        // Two proxies may both write down an id that was given out again.
        if self.lied || self.has_redis && self.ended.contains(&name) {
            return;
        }
        let subject = subject.filter(|_| self.is_bound);
        self.homes.insert(name, Home { place, subject, bound_at: at, used_at: at });
    }

    /// A request goes where its session lives.
    pub(super) fn used(&mut self, name: &Name, place: &str, subject: Option<usize>, now: u64) {
        if self.lied {
            return;
        }
        let is_possible = self.ever.get(name).is_some_and(|places| places.contains(place));
        assert!(is_possible, "{name:?} was never opened at {place}");
        let is_extended = !self.has_redis;
        if let Some(home) = self.living(name, now) {
            assert_eq!(home.place, place, "two pods for one live session, {name:?}");
            let is_its = home.subject.is_none() || home.subject == subject;
            assert!(is_its, "a stranger uses {name:?}");
            if is_extended {
                home.used_at = now;
            }
        }
    }

    /// A client is told that there is no such session.
    pub(super) fn denied(&mut self, name: &Name, now: u64) {
        // With a Redis it may not have come so far.
        if !self.has_redis && !self.lied {
            assert!(self.living(name, now).is_none(), "{name:?} lives and is not known");
        }
    }

    /// A session has ended.
    pub(super) fn ended(&mut self, name: &Name) {
        self.homes.remove(name);
        self.ended.insert(name.clone());
    }

    pub(super) fn all_may_have_ended(&mut self) {
        let names: Vec<_> = self.homes.keys().cloned().collect();
        names.iter().for_each(|name| self.ended(name));
    }

    /// Where a session lives for sure.
    fn living(&mut self, name: &Name, now: u64) -> Option<&mut Home> {
        let lied = self.lied;
        let home = self.homes.get_mut(name)?;
        let since = |then: u64| now.saturating_sub(then);
        let lives = since(home.used_at) < IDLE && since(home.bound_at) < MAX_AGE;
        Some(home).filter(|_| lives && !lied)
    }
}

#[cfg(test)]
mod tests;
