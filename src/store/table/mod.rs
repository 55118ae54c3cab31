//! The bounded table of pins in shared data.
//!
//! Shared data never frees a key, so the table has a fixed number of them: buckets of up to 16
//! entries, half as many again as `capacity` sessions fill. Every change is a compare-and-swap, tried
//! again when another worker thread was quicker.
//!
//! **Two buckets.** A session has two, by its key. It goes to the second if the first is nearly full
//! and the second is emptier; the first then notes that something spilled, so that only those who
//! miss in such a bucket look twice. That spreads sessions so evenly that `capacity` of them fit.
//!
//! **Who gives way.** A full bucket drops what has expired, then its last entry. A use moves an entry
//! to the front, unless it is among the first eight or was moved already since a session was last
//! opened in the bucket. So while none are opened, look-ups soon stop to write; and a session gives way
//! only after nine others of its bucket were opened or used since the last opening before its own last
//! use. (A mere mark "used", as of a clock, would not do: clients use each session once as soon as it
//! is open, so a flood would mark all of them and drive out the one that is in use.)
//!
//! **Layouts.** Another capacity or another format of the entries is another set of keys, a
//! [`Layout`]. The last four of each format are listed. A session that is not in the present one, or
//! is expired there, is looked for in all others, and the copy that was used last is copied here
//! (`elsewhere.rs`). So capacity and module may change while sessions are open. What a layout that is
//! given up took of memory stays taken until the proxy ends.
//!
//! **Formats outlive versions.** A module reads its own format and the one before; while there is a list
//! of that one's layouts in this proxy, it also writes what is opened there, for the module that wrote
//! the list: it may serve connections still, or again. A module never writes where a newer one did.

mod bucket;
mod change;
mod elsewhere;
mod entry;
mod format1;
mod format2;
mod insert;
mod layout;
mod left;

use std::ops::Range;

use super::outcome::Lookup;
use crate::host::SharedData;
use crate::lock::Lock;
use crate::pods::Place;
use crate::session::{Lifetime, Pin, Scope, SessionKey, Timestamp, User};

use bucket::{Bucket, Found};
use change::{Change, Read, change};
use entry::{Entry, Format};
use insert::Manner;
use layout::{Layout, Names};
pub(super) use left::{Left, Why};

/// An entry is moved to the front when it is used, unless it is among so many at the front already.
const FRONT: usize = 8;

/// Writes a session as an entry of the present format.
pub(super) fn encode_session(key: SessionKey, pin: Pin, bytes: &mut Vec<u8>) {
    format2::encode(&Entry { key, pin, noted: false }, bytes);
}

/// Reads sessions that were written so, up to the first that is broken.
pub(super) fn decode_sessions(mut bytes: &[u8]) -> Vec<(SessionKey, Pin)> {
    let mut sessions = Vec::new();
    while let Some((entry, rest)) = format2::split(bytes) {
        let Some(Entry { key, pin, .. }) = format2::decode(entry) else { break };
        sessions.push((key, pin));
        bytes = rest;
    }
    sessions
}

/// The table of one scope.
#[derive(Debug)]
pub(super) struct Table {
    names: Names,
    /// The present one, of all that there may be.
    layout: Layout,
    lifetime: Lifetime,
    left: Lock<Vec<Left>>,
    counts: Lock<Vec<(Place, i32)>>,
}

/// How an attempt to put an entry into the table ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Put {
    /// It is there.
    Done,
    /// Its id belongs to a live session on another pod, which keeps it.
    Taken,
    /// Other threads kept changing its bucket, or a newer module wrote it.
    Failed,
}

/// What a layout says about a session.
enum Located {
    Here(Spot),
    Absent,
    /// A newer module wrote its bucket.
    Newer,
}

/// Where an entry is.
struct Spot {
    bucket: String,
    read: Read,
    position: usize,
    entry: Entry,
}

// === impl Table ===

impl Table {
    /// A table of the sessions of `scope`, for `capacity` of them.
    pub(super) fn new(scope: &Scope, capacity: u32, lifetime: Lifetime) -> Self {
        // Half as many again as there have to be: fewer, and some sessions give way.
        let size = (u64::from(capacity) * 3).div_ceil(2 * Format::Two.places() as u64);
        Self::with_buckets(scope, u32::try_from(size).unwrap_or(u32::MAX), lifetime)
    }

    fn with_buckets(scope: &Scope, size: u32, lifetime: Lifetime) -> Self {
        Self {
            names: Names::new(scope),
            layout: Layout { format: Format::Two, size: size.max(1) },
            lifetime,
            left: Lock::default(),
            counts: Lock::default(),
        }
    }

    /// What left the table since this was last asked. A session that gave way or expired here may
    /// come back from another layout.
    pub(super) fn take_left(&self) -> Vec<Left> {
        std::mem::take(&mut *self.left.lock())
    }

    /// How many more entries there are for which place, or fewer, since this was last asked.
    pub(super) fn take_counts(&self) -> Vec<(Place, i32)> {
        std::mem::take(&mut *self.counts.lock())
    }

    /// How many buckets there are.
    pub(super) fn buckets(&self) -> u32 {
        self.layout.size
    }

    /// Counts the entries of some buckets: for each its place, and whether its session lives.
    pub(super) fn count_entries(
        &self,
        data: &dyn SharedData,
        buckets: Range<u32>,
        now: Timestamp,
        add: &mut dyn FnMut(Place, bool),
    ) {
        for number in buckets {
            let Some((bytes, _)) = data.shared(&self.names.bucket(self.layout, number.into()))
            else {
                continue;
            };
            let bucket = Bucket::decode(self.layout.format, &bytes).unwrap_or_default();
            bucket.entries.iter().for_each(|entry| add(entry.pin.place, self.is_live(entry, now)));
        }
    }

    fn count(&self, place: Place, change: i32) {
        self.counts.lock().push((place, change));
    }

    /// Adds this table's layout to those in use. To be called once, before anything else.
    pub(super) fn open(&self, data: &mut dyn SharedData) {
        self.names.list(data, self.layout);
    }

    /// Finds a session and notes its use.
    pub(super) fn look(
        &self,
        data: &mut dyn SharedData,
        key: &SessionKey,
        now: Timestamp,
    ) -> Lookup {
        self.look_for(data, key, User::Itself, now)
    }

    /// The same, but notes the use only if `user` may use it. That is for the caller to check.
    pub(super) fn look_for(
        &self,
        data: &mut dyn SharedData,
        key: &SessionKey,
        user: User,
        now: Timestamp,
    ) -> Lookup {
        match self.locate(data, self.layout, key) {
            Located::Here(spot)
                if self.lifetime.covers(&spot.entry.pin, now)
                    && !spot.entry.pin.is_open_to(user) =>
            {
                Lookup::Live(spot.entry.pin)
            }
            Located::Here(spot) if self.lifetime.covers(&spot.entry.pin, now) => {
                let Spot { position, entry: Entry { pin, noted, .. }, .. } = spot;
                let is_stale = self.lifetime.wants_refresh(pin.used_at, now);
                if is_stale || (position >= FRONT && !noted) {
                    self.note(data, self.layout, spot, now);
                }
                if is_stale {
                    self.refresh_older(data, key, now);
                }
                Lookup::Live(pin)
            }
            Located::Newer => Lookup::Failed,
            here => self.look_elsewhere(data, here, key, now),
        }
    }

    /// The pin of a session that lives in the present layout. That is no use of it.
    pub(super) fn held(
        &self,
        data: &dyn SharedData,
        key: &SessionKey,
        now: Timestamp,
    ) -> Option<Pin> {
        match self.locate(data, self.layout, key) {
            Located::Here(spot) => {
                Some(spot.entry.pin).filter(|pin| self.lifetime.covers(pin, now))
            }
            _ => None,
        }
    }

    /// Binds a session that was just opened.
    pub(super) fn bind(
        &self,
        data: &mut dyn SharedData,
        key: SessionKey,
        pin: Pin,
        now: Timestamp,
    ) -> Put {
        match self.look(data, &key, now) {
            Lookup::Live(other) if other.place != pin.place => return Put::Taken,
            Lookup::Strangers => return Put::Taken,
            // The same pod gave the same id out again; whatever it stood for is over.
            Lookup::Live(_) => self.forget(data, &key, Why::Replaced),
            Lookup::Failed => return Put::Failed,
            Lookup::Expired | Lookup::Unknown => {}
        }
        let put = self.insert(data, self.layout, (key, pin), now, Manner::Opened);
        if put == Put::Done {
            self.mirror(data, key, pin, now);
        }
        put
    }

    /// Forgets a session.
    pub(super) fn unbind(&self, data: &mut dyn SharedData, key: &SessionKey) {
        self.forget(data, key, Why::Ended);
    }

    fn locate(&self, data: &dyn SharedData, layout: Layout, key: &SessionKey) -> Located {
        for half in key.halves() {
            let bucket = self.names.bucket(layout, half);
            let read = data.shared(&bucket);
            let bytes = read.as_ref().map(|(bytes, _)| bytes.as_slice()).unwrap_or_default();
            match bucket::find(layout.format, bytes, key) {
                Found::Here { position, entry } => {
                    return Located::Here(Spot { bucket, read, position, entry });
                }
                Found::Absent { spilled: true } => {}
                Found::Absent { spilled: false } => return Located::Absent,
                Found::Newer => return Located::Newer,
            }
        }
        Located::Absent
    }

    /// Moves an entry to the front: eviction must spare what is in use. The time of use is written
    /// down at most every tenth of the idle timeout.
    fn note(&self, data: &mut dyn SharedData, layout: Layout, spot: Spot, now: Timestamp) {
        let Spot { bucket, read, entry: Entry { key, .. }, .. } = spot;
        // That nobody wins for so long is no reason to fail a request whose pin is known.
        let _ = change(data, layout.format, &bucket, Some(read), |bucket| {
            if bucket.note(&key, |used_at| self.used_at(used_at, now)) {
                Change::Write(())
            } else {
                Change::Drop(())
            }
        });
    }

    /// What is written down as the time of a use at `now`.
    fn used_at(&self, used_at: Timestamp, now: Timestamp) -> Timestamp {
        if self.lifetime.wants_refresh(used_at, now) { now } else { used_at }
    }

    /// Takes an entry out, wherever a layout has it. If nobody wins for so long, it ends by its
    /// age, or by the pod's 404.
    fn remove(
        &self,
        data: &mut dyn SharedData,
        layout: Layout,
        key: &SessionKey,
        condition: impl Fn(&Pin) -> bool,
    ) -> Option<Pin> {
        let mut removed = None;
        // Two workers that carried it may have put it into either bucket.
        for half in key.halves() {
            let name = self.names.bucket(layout, half);
            let read = data.shared(&name);
            let bytes = read.as_ref().map(|(bytes, _)| bytes.as_slice()).unwrap_or_default();
            let spilled = bucket::has_spilled(layout.format, bytes);
            if let Found::Here { .. } = bucket::find(layout.format, bytes, key) {
                let here = change(data, layout.format, &name, Some(read), |bucket| {
                    match bucket.remove(key) {
                        Some(entry) if condition(&entry.pin) => Change::Write(Some(entry.pin)),
                        _ => Change::Drop(None),
                    }
                });
                removed = here.ok().flatten().or(removed);
            }
            if !spilled {
                break;
            }
        }
        removed
    }

    /// The same, and counts it.
    fn take_out(
        &self,
        data: &mut dyn SharedData,
        layout: Layout,
        key: &SessionKey,
        condition: impl Fn(&Pin) -> bool,
    ) -> Option<Pin> {
        let taken = self.remove(data, layout, key, condition)?;
        if layout == self.layout {
            self.count(taken.place, -1);
        }
        Some(taken)
    }
}

#[cfg(test)]
mod tests;
