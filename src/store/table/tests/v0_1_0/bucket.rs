use std::net::{IpAddr, SocketAddr};

use crate::pods::{Ordinal, Place};
use crate::session::{Pin, SessionKey, Timestamp};

pub(super) const ENTRIES: usize = 8;

const FORMAT: u8 = 1;
const ENTRY: usize = 16 + 4 + 1 + 16 + 2 + 8 + 8;

pub(super) fn find(bytes: &[u8], key: &SessionKey) -> Option<(usize, Pin)> {
    entries_in(bytes)
        .enumerate()
        .find(|(_, entry)| entry.starts_with(key.bytes()))
        .and_then(|(position, entry)| Some((position, Entry::decode(entry)?.pin)))
}

pub(super) fn has_spilled(bytes: &[u8]) -> bool {
    matches!(bytes, [FORMAT, 1, ..])
}

#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Bucket {
    pub(super) entries: Vec<Entry>,
    pub(super) spilled: bool,
}

impl Bucket {
    pub(super) fn decode(bytes: &[u8]) -> Self {
        Self {
            entries: entries_in(bytes).filter_map(Entry::decode).collect(),
            spilled: has_spilled(bytes),
        }
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(2 + self.entries.len() * ENTRY);
        bytes.extend_from_slice(&[FORMAT, self.spilled.into()]);
        for entry in &self.entries {
            entry.encode(&mut bytes);
        }
        bytes
    }

    pub(super) fn remove(&mut self, key: &SessionKey) -> Option<Entry> {
        let position = self.entries.iter().position(|entry| entry.key == *key)?;
        Some(self.entries.remove(position))
    }

    pub(super) fn push_front(&mut self, entry: Entry) -> usize {
        self.entries.insert(0, entry);
        let evicted = self.entries.len().saturating_sub(ENTRIES);
        self.entries.truncate(ENTRIES);
        evicted
    }
}

fn entries_in(bytes: &[u8]) -> impl Iterator<Item = &[u8; ENTRY]> {
    let entries = match bytes {
        [FORMAT, _, entries @ ..] => entries,
        _ => &[],
    };
    entries.as_chunks().0.iter().take(ENTRIES)
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Entry {
    pub(super) key: SessionKey,
    pub(super) pin: Pin,
}

impl Entry {
    fn encode(&self, bytes: &mut Vec<u8>) {
        let Pin { place, incarnation, bound_at, used_at, .. } = &self.pin;
        let (ordinal, address) = match place {
            Place::Pod(Ordinal(ordinal)) => (*ordinal, *incarnation),
            Place::Endpoint(address) => (u32::MAX, Some(*address)),
        };
        bytes.extend_from_slice(self.key.bytes());
        bytes.extend_from_slice(&ordinal.to_be_bytes());
        let (kind, ip, port) = match address {
            None => (0, [0; 16], 0),
            Some(SocketAddr::V4(v4)) => {
                let [a, b, c, d] = v4.ip().octets();
                (4, [a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], v4.port())
            }
            Some(SocketAddr::V6(v6)) => (6, v6.ip().octets(), v6.port()),
        };
        bytes.push(kind);
        bytes.extend_from_slice(&ip);
        bytes.extend_from_slice(&port.to_be_bytes());
        bytes.extend_from_slice(&bound_at.0.to_be_bytes());
        bytes.extend_from_slice(&used_at.0.to_be_bytes());
    }

    fn decode(bytes: &[u8; ENTRY]) -> Option<Self> {
        let (key, rest) = bytes.split_first_chunk::<16>()?;
        let (ordinal, rest) = rest.split_first_chunk::<4>()?;
        let ([kind], rest) = rest.split_first_chunk::<1>()?;
        let (ip, rest) = rest.split_first_chunk::<16>()?;
        let (port, rest) = rest.split_first_chunk::<2>()?;
        let (bound_at, rest) = rest.split_first_chunk::<8>()?;
        let used_at = rest.first_chunk::<8>()?;
        let ip = match kind {
            4 => ip.first_chunk::<4>().map(|ip| IpAddr::from(*ip)),
            6 => Some(IpAddr::from(*ip)),
            _ => None,
        };
        Some(Self {
            key: SessionKey::from_bytes(*key),
            pin: Pin {
                place: Place::Pod(Ordinal(u32::from_be_bytes(*ordinal))),
                incarnation: ip.map(|ip| SocketAddr::new(ip, u16::from_be_bytes(*port))),
                subject: None,
                bound_at: Timestamp(u64::from_be_bytes(*bound_at)),
                used_at: Timestamp(u64::from_be_bytes(*used_at)),
            },
        })
    }
}
