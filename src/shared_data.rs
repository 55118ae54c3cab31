//! Data that the threads of one proxy share.

use std::collections::BTreeMap;

/// Key-value data that every worker thread of one proxy sees: Envoy's "shared data".
///
/// It has no delete and no listing, so whoever uses it must keep the number of keys bounded.
pub trait SharedData {
    /// The value under `key`, with the version that [`SharedData::replace`] asks for.
    fn shared(&self, key: &str) -> Option<(Vec<u8>, Version)>;

    /// Puts `value` under `key`, unless the key's version is no longer `expected`; `None` expects
    /// that the key does not exist.
    fn replace(
        &mut self,
        key: &str,
        value: &[u8],
        expected: Option<Version>,
    ) -> Result<(), Overtaken>;
}

/// Changes with every write to a key.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Version(pub u32);

/// Another thread wrote the key since it was read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Overtaken;

/// Such data in memory, by Envoy's own rules: for hosts that have none, those of tests above all.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct SharedMap {
    /// What is under each key.
    pub values: BTreeMap<String, (Vec<u8>, Version)>,
    /// How often one was written.
    pub writes: u32,
}

impl SharedMap {
    /// Puts `value` under `key`, unless there is one of another version than `expected`. As in Envoy
    /// a version of 0 expects nothing, and a key that is not there is created whatever is expected.
    pub fn set(&mut self, key: &str, value: &[u8], expected: Version) -> Result<(), Overtaken> {
        let found = self.values.get(key).map(|(_, version)| *version);
        if expected != Version(0) && found.is_some_and(|found| found != expected) {
            return Err(Overtaken);
        }
        self.writes += 1;
        self.values.insert(key.to_owned(), (value.to_vec(), Version(self.writes)));
        Ok(())
    }
}

impl SharedData for SharedMap {
    fn shared(&self, key: &str) -> Option<(Vec<u8>, Version)> {
        self.values.get(key).cloned()
    }

    fn replace(
        &mut self,
        key: &str,
        value: &[u8],
        expected: Option<Version>,
    ) -> Result<(), Overtaken> {
        // No key has this version.
        self.set(key, value, expected.unwrap_or(Version(u32::MAX)))
    }
}
