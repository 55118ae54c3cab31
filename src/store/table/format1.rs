//! Entries of format 1, which Podpin 0.1.0 writes. Frozen.
//!
//! An entry is, integers big-endian: 16 bytes key; `u32` ordinal; the incarnation as one byte for
//! its kind (0 none, 4, 6), 16 bytes address (IPv4 in the first 4) and `u16` port; `u64` bound and
//! `u64` used, both in milliseconds since the Unix epoch.

use std::net::{IpAddr, SocketAddr};

use crate::pods::{Ordinal, Place};
use crate::session::{Pin, SessionKey, Timestamp};

use super::entry::Entry;

const SIZE: usize = 16 + 4 + 1 + 16 + 2 + 8 + 8;

/// Splits the first entry off.
pub(super) fn split(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    bytes.split_at_checked(SIZE)
}

/// Adds an entry, unless it is one that this format cannot say: of a place that is no pod, or of a session
/// that is bound to somebody, which whoever reads this format would serve to anybody.
pub(super) fn encode(entry: &Entry, bytes: &mut Vec<u8>) {
    let Pin { place: Place::Pod(Ordinal(ordinal)), incarnation, subject: None, bound_at, used_at } =
        entry.pin
    else {
        return;
    };
    bytes.extend_from_slice(entry.key.bytes());
    bytes.extend_from_slice(&ordinal.to_be_bytes());
    let (kind, ip, port) = match incarnation {
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

pub(super) fn decode(bytes: &[u8]) -> Option<Entry> {
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
    let pin = Pin {
        place: Place::Pod(Ordinal(u32::from_be_bytes(*ordinal))),
        incarnation: ip.map(|ip| SocketAddr::new(ip, u16::from_be_bytes(*port))),
        subject: None,
        bound_at: Timestamp(u64::from_be_bytes(*bound_at)),
        used_at: Timestamp(u64::from_be_bytes(*used_at)),
    };
    Some(Entry { key: SessionKey::from_bytes(*key), pin, noted: false })
}
