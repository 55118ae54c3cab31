//! Data that all threads and configurations of one process share: Envoy has none for dynamic modules.
//!
//! It is there for as long as the module is loaded. Its keys are bounded by who uses it, as in Envoy's own.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use podpin::host::{Overtaken, Version};

/// So many maps that threads hardly ever meet in one.
const SHARDS: usize = 64;

/// That of this process.
pub(crate) static SHARED: LazyLock<Shared> = LazyLock::new(Shared::new);

/// Values by key, each key in one of the maps.
pub(crate) struct Shared {
    shards: Vec<Mutex<Shard>>,
}

#[derive(Default)]
struct Shard {
    /// No larger than they are: most grow by a session now and then.
    values: HashMap<Box<str>, (Box<[u8]>, Version)>,
    /// Of all keys together, so that no version of a key comes twice.
    writes: u32,
}

// === impl Shared ===

impl Shared {
    fn new() -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        Self { shards }
    }

    /// A copy of what is under a key.
    pub(crate) fn get(&self, key: &str) -> Option<(Vec<u8>, Version)> {
        let shard = self.shard(key)?;
        let (value, version) = shard.values.get(key)?;
        Some((value.to_vec(), *version))
    }

    /// Puts a value under a key, if what is there has the version that is expected, or nothing is there and
    /// nothing is expected.
    pub(crate) fn replace(
        &self,
        key: &str,
        value: &[u8],
        expected: Option<Version>,
    ) -> Result<(), Overtaken> {
        let mut shard = self.shard(key).ok_or(Overtaken)?;
        shard.writes = shard.writes.wrapping_add(1);
        let version = Version(shard.writes);
        match (shard.values.get_mut(key), expected) {
            (Some(found), Some(expected)) if found.1 == expected => {
                match found.0.len() == value.len() {
                    true => found.0.copy_from_slice(value),
                    false => found.0 = value.into(),
                }
                found.1 = version;
            }
            (None, None) => {
                shard.values.insert(key.into(), (value.into(), version));
            }
            _ => return Err(Overtaken),
        }
        Ok(())
    }

    fn shard(&self, key: &str) -> Option<MutexGuard<'_, Shard>> {
        // Keys differ at their ends.
        let end = key.bytes().rev().take(8);
        let number =
            end.fold(0, |sum: usize, byte| sum.wrapping_mul(31) + usize::from(byte)) % SHARDS;
        // Whoever panicked while holding it left values that are whole.
        Some(self.shards.get(number)?.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
