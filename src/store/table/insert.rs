//! How a session gets into a layout.

use crate::host::SharedData;
use crate::session::{Pin, SessionKey, Timestamp};

use super::bucket::Bucket;
use super::change::{Change, change};
use super::entry::Entry;
use super::layout::Layout;
use super::{Left, Put, Table, Why};

/// Why a session gets into a layout, and so what may stand in its way.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Manner {
    /// It was opened. One of another place keeps its id.
    Opened,
    /// Another layout has it. Whatever is there already stays.
    Carried,
    /// It is for an older module to see. Nothing gives way to it, as that may be there alone.
    Mirrored,
}

/// What came of an attempt.
struct Inserted {
    put: Put,
    /// It was not there before.
    is_new: bool,
    left: Vec<Left>,
}

impl Table {
    /// Puts a session into one of its buckets.
    pub(super) fn insert(
        &self,
        data: &mut dyn SharedData,
        layout: Layout,
        (key, pin): (SessionKey, Pin),
        now: Timestamp,
        manner: Manner,
    ) -> Put {
        let [first, second] = key.halves().map(|half| self.names.bucket(layout, half));
        let in_second = self.live_entries(data, layout, &second, now);
        let inserted = change(data, layout.format, &first, None, |bucket| {
            let live = bucket.entries.iter().filter(|entry| self.is_live(entry, now)).count();
            if live < layout.format.nearly_full() || in_second >= live || bucket.holds(&key) {
                return self.put(layout, bucket, (key, pin), now, manner);
            }
            match std::mem::replace(&mut bucket.spilled, true) {
                true => Change::Drop(None),
                false => Change::Write(None),
            }
        });
        let inserted = match inserted {
            Ok(None) => change(data, layout.format, &second, None, |bucket| {
                self.put(layout, bucket, (key, pin), now, manner)
            }),
            inserted => inserted,
        };
        let Ok(Some(Inserted { put, is_new, left })) = inserted else { return Put::Failed };
        if layout == self.layout {
            if is_new {
                self.count(pin.place, 1);
            }
            left.iter().for_each(|left| self.count(left.pin.place, -1));
            self.left.lock().extend(left);
        }
        put
    }

    /// Adds a session to a bucket, if it may. Says what left the bucket.
    fn put(
        &self,
        layout: Layout,
        bucket: &mut Bucket,
        (key, pin): (SessionKey, Pin),
        now: Timestamp,
        manner: Manner,
    ) -> Change<Option<Inserted>> {
        let not_new = |put| Change::Drop(Some(Inserted { put, is_new: false, left: Vec::new() }));
        let left = |entry: Entry, why| Left { key: entry.key, pin: entry.pin, why };
        let expired = bucket.entries.extract_if(.., |entry| !self.is_live(entry, now));
        let mut gone: Vec<_> = expired.map(|entry| left(entry, Why::Expired)).collect();
        let earlier = bucket.remove(&key);
        let is_new = earlier.is_none();
        match (manner, earlier) {
            (Manner::Opened, Some(other)) if other.pin.place != pin.place => {
                return not_new(Put::Taken);
            }
            (Manner::Carried, Some(_)) => return not_new(Put::Done),
            _ => {}
        }
        let places = layout.format.places();
        if manner == Manner::Mirrored && bucket.entries.len() >= places {
            return not_new(Put::Done);
        }
        if let Some(last) = bucket.open(key, pin, places) {
            gone.push(left(last, Why::GaveWay));
        }
        Change::Write(Some(Inserted { put: Put::Done, is_new, left: gone }))
    }

    fn live_entries(
        &self,
        data: &dyn SharedData,
        layout: Layout,
        name: &str,
        now: Timestamp,
    ) -> usize {
        let Some((bytes, _)) = data.shared(name) else { return 0 };
        // What a newer module wrote has no room.
        let Some(bucket) = Bucket::decode(layout.format, &bytes) else {
            return layout.format.places();
        };
        bucket.entries.iter().filter(|entry| self.is_live(entry, now)).count()
    }

    pub(super) fn is_live(&self, entry: &Entry, now: Timestamp) -> bool {
        self.lifetime.covers(&entry.pin, now)
    }
}
