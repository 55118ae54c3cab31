//! One bucket of the table, and its bytes.
//!
//! A bucket is one byte for its format, one that is 1 if something spilled, then its entries, the
//! most recent first, as [`format1`] and [`format2`] write them.
//!
//! A bucket whose first byte is higher than the format of its key is newer. Any other bytes that
//! are no bucket are broken and read as an empty one; so does what follows a broken entry.

use crate::session::{Pin, SessionKey, Timestamp};

use super::entry::{Entry, Format};
use super::{format1, format2};

/// What a bucket says about a session.
pub(super) enum Found {
    Here {
        /// How many entries are before it.
        position: usize,
        entry: Entry,
    },
    /// `spilled`: it may be in its second bucket, if this is the first.
    Absent { spilled: bool },
    /// Nothing that this module can read.
    Newer,
}

/// Finds a session without taking the bucket apart.
pub(super) fn find(format: Format, bytes: &[u8], key: &SessionKey) -> Found {
    let Some((spilled, entries)) = open(format, bytes) else { return Found::Newer };
    entries_in(format, entries)
        .enumerate()
        .find(|(_, entry)| entry.starts_with(key.bytes()))
        .and_then(|(position, entry)| Some((position, decode(format, entry)?)))
        .map_or(Found::Absent { spilled }, |(position, entry)| Found::Here { position, entry })
}

/// Whether an entry that belongs here may be in its second bucket.
pub(super) fn has_spilled(format: Format, bytes: &[u8]) -> bool {
    matches!(open(format, bytes), Some((true, _)))
}

/// One bucket.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Bucket {
    /// The one that was opened or noted last is the first.
    pub(super) entries: Vec<Entry>,
    /// An entry that belongs here may be in its second bucket.
    pub(super) spilled: bool,
}

impl Bucket {
    /// `None` if it is newer than `format`.
    pub(super) fn decode(format: Format, bytes: &[u8]) -> Option<Self> {
        let (spilled, entries) = open(format, bytes)?;
        let entries = entries_in(format, entries).filter_map(|entry| decode(format, entry));
        Some(Self { entries: entries.collect(), spilled })
    }

    pub(super) fn encode(&self, format: Format) -> Vec<u8> {
        // Enough for most.
        let mut bytes = Vec::with_capacity(2 + self.entries.len() * 55);
        bytes.extend_from_slice(&[format as u8, self.spilled.into()]);
        for entry in &self.entries {
            match format {
                Format::One => format1::encode(entry, &mut bytes),
                Format::Two => format2::encode(entry, &mut bytes),
            }
        }
        bytes
    }

    pub(super) fn holds(&self, key: &SessionKey) -> bool {
        self.entries.iter().any(|entry| entry.key == *key)
    }

    pub(super) fn remove(&mut self, key: &SessionKey) -> Option<Entry> {
        let position = self.entries.iter().position(|entry| entry.key == *key)?;
        Some(self.entries.remove(position))
    }

    /// Adds a session that was just opened. Returns the one that gives way to it in a bucket of `places`.
    pub(super) fn open(&mut self, key: SessionKey, pin: Pin, places: usize) -> Option<Entry> {
        for entry in &mut self.entries {
            entry.noted = false;
        }
        self.entries.insert(0, Entry { key, pin, noted: false });
        if self.entries.len() > places { self.entries.pop() } else { None }
    }

    /// Moves a session to the front, with the time of use that `used_at` makes of its own. False if it
    /// is not here.
    pub(super) fn note(
        &mut self,
        key: &SessionKey,
        used_at: impl Fn(Timestamp) -> Timestamp,
    ) -> bool {
        let Some(mut entry) = self.remove(key) else { return false };
        entry.pin.used_at = used_at(entry.pin.used_at);
        self.entries.insert(0, Entry { noted: true, ..entry });
        true
    }
}

/// Whether a bucket has spilled, and the bytes of its entries. `None` if it is newer.
fn open(format: Format, bytes: &[u8]) -> Option<(bool, &[u8])> {
    match bytes {
        [first, ..] if *first > format as u8 => None,
        [first, spilled, entries @ ..] if *first == format as u8 => Some((*spilled == 1, entries)),
        _ => Some((false, &[])),
    }
}

fn entries_in(format: Format, mut bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let next = move || {
        let (entry, rest) = match format {
            Format::One => format1::split(bytes),
            Format::Two => format2::split(bytes),
        }?;
        bytes = rest;
        Some(entry)
    };
    std::iter::from_fn(next).take(format.places())
}

fn decode(format: Format, entry: &[u8]) -> Option<Entry> {
    match format {
        Format::One => format1::decode(entry),
        Format::Two => format2::decode(entry),
    }
}

#[cfg(test)]
mod tests;
