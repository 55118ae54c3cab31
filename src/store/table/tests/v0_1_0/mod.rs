//! The table of Podpin 0.1.0, as it was: it runs beside the present one after an update and before a
//! rollback. Frozen.

mod bucket;

use crate::host::{SharedData, Version};
use crate::lock::Lock;
use crate::session::{Lifetime, Pin, Scope, SessionKey, Timestamp};
use crate::store::Lookup;

use bucket::{Bucket, ENTRIES, Entry};

const NEARLY_FULL: usize = 6;

const FRONT: usize = 4;

const ATTEMPTS: usize = 1000;

const SIZES: usize = 4;

#[derive(Debug)]
pub(super) struct Table {
    prefix: String,
    size: u32,
    lifetime: Lifetime,
    evicted: Lock<usize>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Put {
    Done,
    Taken,
    Contended,
}

type Found = Option<(Vec<u8>, Version)>;

struct Spot {
    bucket: String,
    found: Found,
    lags: bool,
    pin: Pin,
}

impl Table {
    pub(super) fn new(scope: &Scope, capacity: u32, lifetime: Lifetime) -> Self {
        Self {
            prefix: format!("podpin/{}/", scope.own_key()),
            size: capacity.div_ceil(ENTRIES as u32).max(1),
            lifetime,
            evicted: Lock::new(0),
        }
    }

    pub(super) fn open(&self, data: &mut impl SharedData) {
        let name = self.sizes_name();
        for _ in 0..ATTEMPTS {
            let found = data.shared(&name);
            let mut sizes = sizes_in(&found);
            if sizes.first() == Some(&self.size) {
                return;
            }
            sizes.retain(|size| *size != self.size);
            sizes.insert(0, self.size);
            sizes.truncate(SIZES);
            let value: Vec<u8> = sizes.iter().flat_map(|size| size.to_be_bytes()).collect();
            if data.replace(&name, &value, found.map(|(_, version)| version)).is_ok() {
                return;
            }
        }
    }

    pub(super) fn look(
        &self,
        data: &mut impl SharedData,
        key: &SessionKey,
        now: Timestamp,
    ) -> Lookup {
        match self.locate(data, self.size, key) {
            None => self.look_elsewhere(data, key, now),
            Some(spot) if !self.lifetime.covers(&spot.pin, now) => {
                self.drop_if_expired(data, spot, key, now);
                Lookup::Expired
            }
            Some(spot) => {
                let pin = spot.pin;
                if spot.lags || self.lifetime.wants_refresh(pin.used_at, now) {
                    self.promote(data, spot, key, now);
                }
                Lookup::Live(pin)
            }
        }
    }

    pub(super) fn bind(
        &self,
        data: &mut impl SharedData,
        key: SessionKey,
        pin: Pin,
        now: Timestamp,
    ) -> Put {
        match self.look(data, &key, now) {
            Lookup::Live(other) if other.place != pin.place => return Put::Taken,
            // The same pod gave the same id out again; whatever it stood for is over.
            Lookup::Live(_) => self.unbind(data, &key),
            _ => {}
        }
        self.insert(data, Entry { key, pin }, now)
    }

    pub(super) fn unbind(&self, data: &mut impl SharedData, key: &SessionKey) {
        for size in [vec![self.size], self.other_sizes(data)].concat() {
            if let Some(spot) = self.locate(data, size, key) {
                remove_if(data, spot, key, |_| true);
            }
        }
    }

    fn locate(&self, data: &impl SharedData, size: u32, key: &SessionKey) -> Option<Spot> {
        for half in key.halves() {
            let bucket = self.bucket(size, half);
            let found = data.shared(&bucket);
            let bytes = found.as_ref().map(|(bytes, _)| bytes.as_slice()).unwrap_or_default();
            if let Some((position, pin)) = bucket::find(bytes, key) {
                return Some(Spot { bucket, found, lags: position >= FRONT, pin });
            }
            if !bucket::has_spilled(bytes) {
                return None;
            }
        }
        None
    }

    fn look_elsewhere(
        &self,
        data: &mut impl SharedData,
        key: &SessionKey,
        now: Timestamp,
    ) -> Lookup {
        let others = self.other_sizes(data);
        for size in &others {
            let Some(spot) = self.locate(data, *size, key) else { continue };
            let pin = spot.pin;
            if !self.lifetime.covers(&pin, now) {
                self.drop_if_expired(data, spot, key, now);
                return Lookup::Expired;
            }
            if self.insert(data, Entry { key: *key, pin }, now) != Put::Contended {
                remove_if(data, spot, key, |_| true);
            }
            return Lookup::Live(pin);
        }
        // Another thread may have moved it here just before it was looked for there.
        let moved = if others.is_empty() { None } else { self.locate(data, self.size, key) };
        match moved {
            Some(spot) if self.lifetime.covers(&spot.pin, now) => Lookup::Live(spot.pin),
            _ => Lookup::Unknown,
        }
    }

    fn insert(&self, data: &mut impl SharedData, entry: Entry, now: Timestamp) -> Put {
        let [first, second] = entry.key.halves().map(|half| self.bucket(self.size, half));
        let in_second = self.live_entries(data, &second, now);
        let inserted = change(data, &first, None, |bucket| {
            self.drop_expired(bucket, now);
            if bucket.entries.len() >= NEARLY_FULL && in_second < bucket.entries.len() {
                bucket.spilled = true;
                return Change::Write(None);
            }
            put(bucket, entry)
        });
        let inserted = match inserted {
            Ok(None) => change(data, &second, None, |bucket| {
                self.drop_expired(bucket, now);
                put(bucket, entry)
            }),
            inserted => inserted,
        };
        match inserted {
            Ok(Some((put, evicted))) => {
                let mut all = self.evicted.lock();
                *all = all.saturating_add(evicted);
                put
            }
            Ok(None) | Err(Contended) => Put::Contended,
        }
    }

    fn live_entries(&self, data: &impl SharedData, bucket: &str, now: Timestamp) -> usize {
        let Some((bytes, _)) = data.shared(bucket) else { return 0 };
        let mut bucket = Bucket::decode(&bytes);
        self.drop_expired(&mut bucket, now);
        bucket.entries.len()
    }

    fn drop_if_expired(
        &self,
        data: &mut impl SharedData,
        spot: Spot,
        key: &SessionKey,
        now: Timestamp,
    ) {
        remove_if(data, spot, key, |pin| !self.lifetime.covers(pin, now));
    }

    fn drop_expired(&self, bucket: &mut Bucket, now: Timestamp) {
        bucket.entries.retain(|entry| self.lifetime.covers(&entry.pin, now));
    }

    fn promote(&self, data: &mut impl SharedData, spot: Spot, key: &SessionKey, now: Timestamp) {
        // That nobody wins for so long is no reason to fail a request whose pin is known.
        let _ = change(data, &spot.bucket, Some(spot.found), |bucket| {
            let Some(mut entry) = bucket.remove(key) else { return Change::Drop(()) };
            if self.lifetime.wants_refresh(entry.pin.used_at, now) {
                entry.pin.used_at = now;
            }
            bucket.push_front(entry);
            Change::Write(())
        });
    }

    fn other_sizes(&self, data: &impl SharedData) -> Vec<u32> {
        let mut sizes = sizes_in(&data.shared(&self.sizes_name()));
        sizes.retain(|size| *size != self.size);
        sizes
    }

    fn sizes_name(&self) -> String {
        format!("{}sizes", self.prefix)
    }

    fn bucket(&self, size: u32, half: u64) -> String {
        let size = u64::from(size.max(1));
        format!("{}{size}/{}", self.prefix, half % size)
    }
}

fn put(bucket: &mut Bucket, entry: Entry) -> Change<Option<(Put, usize)>> {
    match bucket.remove(&entry.key) {
        Some(other) if other.pin.place != entry.pin.place => Change::Drop(Some((Put::Taken, 0))),
        _ => Change::Write(Some((Put::Done, bucket.push_front(entry)))),
    }
}

fn remove_if(
    data: &mut impl SharedData,
    spot: Spot,
    key: &SessionKey,
    condition: impl Fn(&Pin) -> bool,
) {
    let _ = change(data, &spot.bucket, Some(spot.found), |bucket| match bucket.remove(key) {
        Some(entry) if condition(&entry.pin) => Change::Write(()),
        _ => Change::Drop(()),
    });
}

enum Change<T> {
    Write(T),
    Drop(T),
}

struct Contended;

fn change<T>(
    data: &mut impl SharedData,
    name: &str,
    found: Option<Found>,
    mut alter: impl FnMut(&mut Bucket) -> Change<T>,
) -> Result<T, Contended> {
    let mut found = found.unwrap_or_else(|| data.shared(name));
    for _ in 0..ATTEMPTS {
        let mut bucket = match &found {
            Some((bytes, _)) => Bucket::decode(bytes),
            None => Bucket::default(),
        };
        let altered = match alter(&mut bucket) {
            Change::Write(altered) => altered,
            Change::Drop(unaltered) => return Ok(unaltered),
        };
        if data.replace(name, &bucket.encode(), found.map(|(_, version)| version)).is_ok() {
            return Ok(altered);
        }
        found = data.shared(name);
    }
    Err(Contended)
}

fn sizes_in(found: &Found) -> Vec<u32> {
    let bytes = found.as_ref().map(|(bytes, _)| bytes.as_slice()).unwrap_or_default();
    let (sizes, _) = bytes.as_chunks();
    sizes.iter().map(|size| u32::from_be_bytes(*size)).take(SIZES).collect()
}
