//! Entries of format 2.
//!
//! An entry is, integers big-endian: 16 bytes key; one byte of flags; the place; the incarnation;
//! `u64` bound and `u64` used, both in milliseconds since the Unix epoch. Bits of the flags, from
//! the lowest: two for the kind of the place (0 a pod, 1 an IPv4 and 2 an IPv6 endpoint), two for
//! that of the incarnation (0 none, 1 IPv4, 2 IPv6), three that are zero, and [`Entry::noted`]. A pod is
//! its `u32` ordinal; an address is 4 or 16 bytes and a `u16` port. A pin to a pod that answered
//! from an IPv4 address so takes 43 bytes.

use std::net::{IpAddr, SocketAddr};

use crate::pods::{Ordinal, Place};
use crate::session::{Pin, SessionKey, Timestamp};

use super::entry::Entry;

const POD: u8 = 0;
const NONE: u8 = 0;
const V4: u8 = 1;
const V6: u8 = 2;
const NOTED: u8 = 1 << 7;

/// Splits the first entry off. `None` also if its flags are not of this format.
pub(super) fn split(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (place, incarnation, _) = kinds(*bytes.get(16)?);
    let place = if place == POD { 4 } else { address_size(place)? };
    let incarnation = if incarnation == NONE { 0 } else { address_size(incarnation)? };
    bytes.split_at_checked(16 + 1 + place + incarnation + 8 + 8)
}

pub(super) fn encode(entry: &Entry, bytes: &mut Vec<u8>) {
    let Pin { place, incarnation, bound_at, used_at } = entry.pin;
    bytes.extend_from_slice(entry.key.bytes());
    let place_kind = match place {
        Place::Pod(_) => POD,
        Place::Endpoint(address) => kind_of(address),
    };
    let noted = if entry.noted { NOTED } else { 0 };
    bytes.push(place_kind | incarnation.map_or(NONE, kind_of) << 2 | noted);
    match place {
        Place::Pod(Ordinal(ordinal)) => bytes.extend_from_slice(&ordinal.to_be_bytes()),
        Place::Endpoint(address) => encode_address(address, bytes),
    }
    if let Some(address) = incarnation {
        encode_address(address, bytes);
    }
    bytes.extend_from_slice(&bound_at.0.to_be_bytes());
    bytes.extend_from_slice(&used_at.0.to_be_bytes());
}

pub(super) fn decode(bytes: &[u8]) -> Option<Entry> {
    let (key, rest) = bytes.split_first_chunk::<16>()?;
    let (flags, rest) = rest.split_first()?;
    let (place, incarnation, noted) = kinds(*flags);
    let (place, rest) = if place == POD {
        let (ordinal, rest) = rest.split_first_chunk::<4>()?;
        (Place::Pod(Ordinal(u32::from_be_bytes(*ordinal))), rest)
    } else {
        let (address, rest) = decode_address(place, rest)?;
        (Place::Endpoint(address), rest)
    };
    let (incarnation, rest) = if incarnation == NONE {
        (None, rest)
    } else {
        let (address, rest) = decode_address(incarnation, rest)?;
        (Some(address), rest)
    };
    let (bound_at, rest) = rest.split_first_chunk::<8>()?;
    let used_at = rest.first_chunk::<8>()?;
    let pin = Pin {
        place,
        incarnation,
        bound_at: Timestamp(u64::from_be_bytes(*bound_at)),
        used_at: Timestamp(u64::from_be_bytes(*used_at)),
    };
    Some(Entry { key: SessionKey::from_bytes(*key), pin, noted })
}

/// Of the place, and of the incarnation with the bits that must be zero; and whether it is noted.
fn kinds(flags: u8) -> (u8, u8, bool) {
    (flags & 0b11, (flags & !NOTED) >> 2, flags & NOTED != 0)
}

fn kind_of(address: SocketAddr) -> u8 {
    if address.is_ipv4() { V4 } else { V6 }
}

fn address_size(kind: u8) -> Option<usize> {
    match kind {
        V4 => Some(4 + 2),
        V6 => Some(16 + 2),
        _ => None,
    }
}

fn encode_address(address: SocketAddr, bytes: &mut Vec<u8>) {
    match address.ip() {
        IpAddr::V4(ip) => bytes.extend_from_slice(&ip.octets()),
        IpAddr::V6(ip) => bytes.extend_from_slice(&ip.octets()),
    }
    bytes.extend_from_slice(&address.port().to_be_bytes());
}

fn decode_address(kind: u8, bytes: &[u8]) -> Option<(SocketAddr, &[u8])> {
    let (ip, rest) = if kind == V4 {
        let (ip, rest) = bytes.split_first_chunk::<4>()?;
        (IpAddr::from(*ip), rest)
    } else {
        let (ip, rest) = bytes.split_first_chunk::<16>()?;
        (IpAddr::from(*ip), rest)
    };
    let (port, rest) = rest.split_first_chunk::<2>()?;
    Some((SocketAddr::new(ip, u16::from_be_bytes(*port)), rest))
}
