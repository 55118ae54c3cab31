//! The bounded table of pins in shared data.
//!
//! Shared data never frees a key, so the table has a fixed number of them: `capacity / 8` buckets
//! of up to 8 entries, most recently used first. A full bucket drops what has expired, then its
//! least recently used entry. Every change is a compare-and-swap, tried again when another worker
//! thread was quicker.
//!
//! A table with another capacity is another set of buckets. The sizes in use are listed under one
//! more key; a session that is not where the present size puts it is looked for where the other
//! sizes do, and moved. So the capacity may change while sessions are open.

mod bucket;

use crate::host::{SharedData, Version};
use crate::pin::{Lifetime, Pin, Timestamp};
use crate::session::{Scope, SessionKey};
use crate::store::{Binding, Lookup};

pub use bucket::ENTRIES;
use bucket::{Bucket, Entry};

/// A change gives up after this many others were quicker. Each of those made progress, so with
/// any real number of worker threads this is never reached.
const ATTEMPTS: usize = 1000;

/// How many sizes are remembered, the newest first.
const SIZES: usize = 4;

/// The table of one scope.
#[derive(Debug)]
pub struct Table {
    prefix: String,
    size: u32,
    lifetime: Lifetime,
}

impl Table {
    /// A table of the sessions of `scope`. `capacity` is rounded up to a multiple of [`ENTRIES`].
    pub fn new(scope: &Scope, capacity: u32, lifetime: Lifetime) -> Self {
        Self {
            prefix: format!("podpin/{}/", scope.own_key()),
            size: capacity.div_ceil(ENTRIES as u32).max(1),
            lifetime,
        }
    }

    /// Adds this table's size to those in use. To be called once, before anything else.
    pub fn open(&self, data: &mut impl SharedData) {
        let name = self.sizes_name();
        for _ in 0..ATTEMPTS {
            let found = data.shared(&name);
            let (mut sizes, version) = (sizes_in(&found), found.map(|(_, version)| version));
            if sizes.first() == Some(&self.size) {
                return;
            }
            sizes.retain(|size| *size != self.size);
            sizes.insert(0, self.size);
            sizes.truncate(SIZES);
            let value: Vec<u8> = sizes.iter().flat_map(|size| size.to_le_bytes()).collect();
            if data.replace(&name, &value, version).is_ok() {
                return;
            }
        }
    }

    /// Finds a session and notes its use.
    pub fn look(&self, data: &mut impl SharedData, key: &SessionKey, now: Timestamp) -> Lookup {
        let name = self.bucket_name(self.size, key);
        let Some((octets, version)) = data.shared(&name) else {
            return self.look_elsewhere(data, key, now);
        };
        match bucket::find(&octets, key) {
            None => self.look_elsewhere(data, key, now),
            Some((_, pin)) if !self.lifetime.covers(&pin, now) => {
                self.remove(data, &name, key);
                Lookup::Expired
            }
            Some((position, pin)) => {
                if position > 0 || self.lifetime.wants_refresh(pin.used_at, now) {
                    self.promote(data, &name, Some((octets, version)), key, now);
                }
                Lookup::Live(pin)
            }
        }
    }

    /// Binds a session that was just opened.
    pub fn bind(
        &self,
        data: &mut impl SharedData,
        key: SessionKey,
        pin: Pin,
        now: Timestamp,
    ) -> Binding {
        // Brings the id here if a table of another size has it.
        self.look(data, &key, now);
        let bound = change(data, &self.bucket_name(self.size, &key), None, |bucket| {
            bucket.entries.retain(|entry| self.lifetime.covers(&entry.pin, now));
            match bucket.remove(&key) {
                Some(other) if other.pin.ordinal != pin.ordinal => Change::Drop(Binding::Taken),
                _ => {
                    let evicted = bucket.push_front(Entry { key, pin });
                    Change::Write(Binding::Bound { evicted })
                }
            }
        });
        bound.unwrap_or(Binding::Failed)
    }

    /// Forgets a session.
    pub fn unbind(&self, data: &mut impl SharedData, key: &SessionKey) {
        self.remove(data, &self.bucket_name(self.size, key), key);
        for size in self.other_sizes(data) {
            self.remove(data, &self.bucket_name(size, key), key);
        }
    }

    /// Notes that a session is in use although it sent no request: it holds a stream open.
    pub fn touch(&self, data: &mut impl SharedData, key: &SessionKey, now: Timestamp) {
        self.promote(data, &self.bucket_name(self.size, key), None, key, now);
    }

    fn look_elsewhere(
        &self,
        data: &mut impl SharedData,
        key: &SessionKey,
        now: Timestamp,
    ) -> Lookup {
        for size in self.other_sizes(data) {
            let name = self.bucket_name(size, key);
            let found = data.shared(&name);
            let Some((_, pin)) = found.as_ref().and_then(|(octets, _)| bucket::find(octets, key))
            else {
                continue;
            };
            if !self.lifetime.covers(&pin, now) {
                self.remove(data, &name, key);
                return Lookup::Expired;
            }
            let moved = change(data, &self.bucket_name(self.size, key), None, |bucket| {
                bucket.entries.retain(|entry| self.lifetime.covers(&entry.pin, now));
                bucket.remove(key);
                bucket.push_front(Entry { key: *key, pin });
                Change::Write(())
            });
            if moved.is_ok() {
                self.remove(data, &name, key);
            }
            return Lookup::Live(pin);
        }
        Lookup::Unknown
    }

    /// Moves an entry to the front. Its use is written down at most every tenth of the idle
    /// timeout, its place in the order always: eviction must spare what is in use.
    fn promote(
        &self,
        data: &mut impl SharedData,
        name: &str,
        found: Option<(Vec<u8>, Version)>,
        key: &SessionKey,
        now: Timestamp,
    ) {
        // That nobody wins for so long is no reason to fail a request whose pin is known.
        let _ = change(data, name, found, |bucket| {
            let Some(mut entry) = bucket.remove(key) else {
                return Change::Drop(());
            };
            if self.lifetime.wants_refresh(entry.pin.used_at, now) {
                entry.pin.used_at = now;
            }
            bucket.push_front(entry);
            Change::Write(())
        });
    }

    fn remove(&self, data: &mut impl SharedData, name: &str, key: &SessionKey) {
        // An entry that stays behind ends by its age, or by the pod's 404.
        let _ = change(data, name, None, |bucket| match bucket.remove(key) {
            Some(_) => Change::Write(()),
            None => Change::Drop(()),
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

    fn bucket_name(&self, size: u32, key: &SessionKey) -> String {
        format!("{}{size}/{}", self.prefix, key.spread() % u64::from(size.max(1)))
    }
}

/// What to do with a bucket that was altered.
enum Change<T> {
    Write(T),
    Drop(T),
}

/// Others kept changing the bucket.
struct Contended;

/// Alters a bucket, again and again until no other thread came in between. `found` is what was
/// just read under `name`, if it was.
fn change<T>(
    data: &mut impl SharedData,
    name: &str,
    found: Option<(Vec<u8>, Version)>,
    mut alter: impl FnMut(&mut Bucket) -> Change<T>,
) -> Result<T, Contended> {
    let mut found = found.or_else(|| data.shared(name));
    for _ in 0..ATTEMPTS {
        let mut bucket = match &found {
            Some((octets, _)) => Bucket::decode(octets),
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

fn sizes_in(found: &Option<(Vec<u8>, Version)>) -> Vec<u32> {
    let octets = found.as_ref().map(|(octets, _)| octets.as_slice()).unwrap_or_default();
    octets
        .chunks_exact(4)
        .filter_map(|size| size.try_into().ok().map(u32::from_le_bytes))
        .take(SIZES)
        .collect()
}

#[cfg(test)]
mod tests;
