//! A pin in as few bytes as may be, for what is written by the thousand.
//!
//! It is, integers big-endian: one byte of flags; the place; the incarnation; the subject; then when it was bound and
//! when it was used, each in milliseconds since the Unix epoch and in as many bytes as [`Times`] says. Bits of the
//! flags, from the lowest: two for the kind of the place (0 a pod, 1 an IPv4 and 2 an IPv6 endpoint), two for that of
//! the incarnation (0 none, 1 IPv4, 2 IPv6), one that is set if there is a subject, two that are zero, and one for
//! whoever keeps it. A pod is its `u32` ordinal; an address is 4 or 16 bytes and a `u16` port; a subject is 16 bytes.
//! A pin to a pod that answered from an IPv4 address so takes 23 or 27 bytes, and 16 more if it has a subject.

use std::net::{IpAddr, SocketAddr};

use super::{Pin, Subject, Timestamp};
use crate::pods::{Ordinal, Place};

const POD: u8 = 0;
const NONE: u8 = 0;
const V4: u8 = 1;
const V6: u8 = 2;
const SUBJECT: u8 = 1 << 4;
const MARK: u8 = 1 << 7;

/// The bits of the flags that have a meaning.
const KNOWN: u8 = 0b1111 | SUBJECT | MARK;

/// How long the times are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Times {
    /// Of six bytes. What is later than [`Timestamp::LATEST`] is written as that.
    Short = 6,
    /// Of eight bytes.
    Long = 8,
}

impl Pin {
    /// Adds it to `bytes`, with a mark for whoever keeps it.
    pub(crate) fn pack(&self, mark: bool, times: Times, bytes: &mut Vec<u8>) {
        let Self { place, incarnation, subject, bound_at, used_at } = self;
        let place_kind = match place {
            Place::Pod(_) => POD,
            Place::Endpoint(address) => kind_of(*address),
        };
        let mut flags = place_kind | incarnation.map_or(NONE, kind_of) << 2;
        flags |= subject.map_or(0, |_| SUBJECT);
        flags |= if mark { MARK } else { 0 };
        bytes.push(flags);
        match place {
            Place::Pod(Ordinal(ordinal)) => bytes.extend_from_slice(&ordinal.to_be_bytes()),
            Place::Endpoint(address) => pack_address(*address, bytes),
        }
        if let Some(address) = incarnation {
            pack_address(*address, bytes);
        }
        if let Some(subject) = subject {
            bytes.extend_from_slice(subject.bytes());
        }
        times.pack(*bound_at, bytes);
        times.pack(*used_at, bytes);
    }

    /// The size of a pin that begins with these flags; `None` if they have bits of no meaning.
    pub(crate) fn packed_size(flags: u8, times: Times) -> Option<usize> {
        let (place, incarnation) = kinds(flags)?;
        let place = if place == POD { 4 } else { address_size(place)? };
        let incarnation = if incarnation == NONE { 0 } else { address_size(incarnation)? };
        let subject = if flags & SUBJECT == 0 { 0 } else { 16 };
        Some(1 + place + incarnation + subject + 2 * times as usize)
    }

    /// Reads one, its mark, and what follows it.
    pub(crate) fn unpack(bytes: &[u8], times: Times) -> Option<(Self, bool, &[u8])> {
        let (&flags, rest) = bytes.split_first()?;
        let (place, incarnation) = kinds(flags)?;
        let (place, rest) = if place == POD {
            let (ordinal, rest) = rest.split_first_chunk::<4>()?;
            (Place::Pod(Ordinal(u32::from_be_bytes(*ordinal))), rest)
        } else {
            let (address, rest) = unpack_address(place, rest)?;
            (Place::Endpoint(address), rest)
        };
        let (incarnation, rest) = if incarnation == NONE {
            (None, rest)
        } else {
            let (address, rest) = unpack_address(incarnation, rest)?;
            (Some(address), rest)
        };
        let (subject, rest) = if flags & SUBJECT == 0 {
            (None, rest)
        } else {
            let (subject, rest) = rest.split_first_chunk()?;
            (Some(Subject::from_bytes(*subject)), rest)
        };
        let (bound_at, rest) = times.unpack(rest)?;
        let (used_at, rest) = times.unpack(rest)?;
        let pin = Self { place, incarnation, subject, bound_at, used_at };
        Some((pin, flags & MARK != 0, rest))
    }
}

impl Times {
    fn pack(self, time: Timestamp, bytes: &mut Vec<u8>) {
        let Timestamp(time) = match self {
            Self::Short => time.min(Timestamp::LATEST),
            Self::Long => time,
        };
        let all = time.to_be_bytes();
        bytes.extend(all.iter().skip(all.len() - self as usize));
    }

    fn unpack(self, bytes: &[u8]) -> Option<(Timestamp, &[u8])> {
        let (time, rest) = bytes.split_at_checked(self as usize)?;
        let time = time.iter().fold(0, |time, byte| time << 8 | u64::from(*byte));
        Some((Timestamp(time), rest))
    }
}

/// Of the place and of the incarnation.
fn kinds(flags: u8) -> Option<(u8, u8)> {
    (flags & !KNOWN == 0).then_some((flags & 0b11, flags >> 2 & 0b11))
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

fn pack_address(address: SocketAddr, bytes: &mut Vec<u8>) {
    match address.ip() {
        IpAddr::V4(ip) => bytes.extend_from_slice(&ip.octets()),
        IpAddr::V6(ip) => bytes.extend_from_slice(&ip.octets()),
    }
    bytes.extend_from_slice(&address.port().to_be_bytes());
}

fn unpack_address(kind: u8, bytes: &[u8]) -> Option<(SocketAddr, &[u8])> {
    let (ip, rest) = match kind {
        V4 => {
            let (ip, rest) = bytes.split_first_chunk::<4>()?;
            (IpAddr::from(*ip), rest)
        }
        V6 => {
            let (ip, rest) = bytes.split_first_chunk::<16>()?;
            (IpAddr::from(*ip), rest)
        }
        _ => return None,
    };
    let (port, rest) = rest.split_first_chunk::<2>()?;
    Some((SocketAddr::new(ip, u16::from_be_bytes(*port)), rest))
}
