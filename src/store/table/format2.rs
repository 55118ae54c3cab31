//! Entries of format 2: 16 bytes key, then the pin as [`Pin::pack`] writes it with short times, whose mark is
//! [`Entry::noted`]. That of a pod which answered from an IPv4 address so takes 39 bytes.

use crate::session::{Pin, SessionKey, Times};

use super::entry::Entry;

/// Splits the first entry off. `None` also if its flags are not of this format.
pub(super) fn split(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    bytes.split_at_checked(16 + Pin::packed_size(*bytes.get(16)?, Times::Short)?)
}

pub(super) fn encode(entry: &Entry, bytes: &mut Vec<u8>) {
    bytes.extend_from_slice(entry.key.bytes());
    entry.pin.pack(entry.noted, Times::Short, bytes);
}

pub(super) fn decode(bytes: &[u8]) -> Option<Entry> {
    let (key, rest) = bytes.split_first_chunk::<16>()?;
    let (pin, noted, _) = Pin::unpack(rest, Times::Short)?;
    Some(Entry { key: SessionKey::from_bytes(*key), pin, noted })
}
