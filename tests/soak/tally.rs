//! What clients saw, counted.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::ledger::Cause;

/// Kinds of clients.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Kind {
    Dialect,
    Sdk,
    Stream,
    Sse,
    Later,
    Elsewhere,
}

impl Kind {
    pub(crate) const ALL: [Self; 6] =
        [Self::Dialect, Self::Sdk, Self::Stream, Self::Sse, Self::Later, Self::Elsewhere];

    /// How many there are.
    pub(crate) fn clients(self) -> usize {
        match self {
            Self::Dialect => 14,
            Self::Sdk | Self::Stream => 5,
            Self::Sse => 4,
            Self::Later | Self::Elsewhere => 2,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Dialect => "of servers that say in 7 ways that a session is lost",
            Self::Sdk => "of MCP's Rust SDK",
            Self::Stream => "with a GET stream whose events are checked",
            Self::Sse => "of HTTP+SSE",
            Self::Later => "of 2026-07-28, without sessions",
            Self::Elsewhere => "of another path",
        }
    }
}

/// What can be lost.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Lost {
    Session,
    Call,
    /// A session that was not opened.
    Opening,
    /// A stream that was cut, whose session goes on.
    Stream,
}

impl Lost {
    pub(crate) const ALL: [Self; 4] = [Self::Session, Self::Call, Self::Opening, Self::Stream];
}

/// What one kind of client did.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Done {
    pub(crate) calls: u64,
    pub(crate) opened: u64,
    /// Events that came.
    pub(crate) events: u64,
}

#[derive(Default)]
pub(crate) struct Counts {
    pub(crate) done: BTreeMap<Kind, Done>,
    pub(crate) lost: BTreeMap<(Kind, Lost, Cause), u64>,
    /// When something was lost, and why.
    pub(crate) losses: Vec<(Duration, Cause)>,
    pub(crate) hung: u64,
    pub(crate) misrouted: u64,
    /// What must not be, in words.
    pub(crate) wrong: Vec<String>,
}

impl Counts {
    /// What was lost so, of all kinds of clients.
    pub(crate) fn lost_by(&self, lost: Lost, cause: Cause) -> u64 {
        let all = self.lost.iter().filter(|((_, it, why), _)| *it == lost && *why == cause);
        all.map(|(_, count)| count).sum()
    }

    pub(crate) fn calls(&self) -> u64 {
        self.done.values().map(|done| done.calls).sum()
    }
}

pub(crate) struct Tally {
    start: Instant,
    counts: Mutex<Counts>,
}

impl Tally {
    pub(crate) fn new() -> Self {
        Self { start: Instant::now(), counts: Mutex::default() }
    }

    pub(crate) fn start(&self) -> Instant {
        self.start
    }

    /// Adds to what a kind of client did.
    pub(crate) fn did(&self, kind: Kind, what: impl FnOnce(&mut Done)) {
        what(self.counts.lock().unwrap().done.entry(kind).or_default());
    }

    pub(crate) fn lost(&self, kind: Kind, lost: Lost, cause: Cause) {
        let counts = &mut *self.counts.lock().unwrap();
        *counts.lost.entry((kind, lost, cause)).or_default() += 1;
        counts.losses.push((self.start.elapsed(), cause));
    }

    pub(crate) fn hung(&self, what: String) {
        self.counts.lock().unwrap().hung += 1;
        self.wrong(what);
    }

    pub(crate) fn misrouted(&self, what: String) {
        self.counts.lock().unwrap().misrouted += 1;
        self.wrong(what);
    }

    /// Notes what must not be.
    pub(crate) fn wrong(&self, what: String) {
        let what = format!("at {:.1} s: {what}", self.start.elapsed().as_secs_f64());
        eprintln!("WRONG {what}");
        self.counts.lock().unwrap().wrong.push(what);
    }

    pub(crate) fn take(&self) -> Counts {
        std::mem::take(&mut *self.counts.lock().unwrap())
    }
}
