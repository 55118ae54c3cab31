//! Records of pods, as they are written.
//!
//! A page is one byte, 1, and records. A record is, integers big-endian: one byte of flags; the place; `u64`
//! when it seemed to restart; `u32` sessions and `u32` expired ones; where the flags say so the address at which it keeps
//! sessions; and likewise the ejection: `u64` until when, one byte how often in a row, one byte whose
//! lowest bit says that it answers and the next that it is over, and the cluster, a `u16` length and
//! so many bytes. Bits of the flags, from the lowest: two for the kind of the place (0 a pod, 1 an IPv4
//! and 2 an IPv6 endpoint), two for that of the address (0 none), one for the ejection.

use std::net::{IpAddr, SocketAddr};

use sha2::{Digest, Sha256};

use super::known::{Ejection, Known};
use super::{Ordinal, Place};
use crate::session::Timestamp;

const FORMAT: u8 = 1;
const V4: u8 = 1;
const V6: u8 = 2;
const EJECTED: u8 = 1 << 4;
const ANSWERS: u8 = 1;
const OVER: u8 = 2;

/// So many records at most. Endpoints come and go, and those heard of longest ago give way.
const MOST: usize = 64;

#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Page(Vec<(Place, Known)>);

impl Page {
    /// `None` if that is not a page of this format.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let Some((format, mut rest)) = bytes.split_first() else { return Some(Self::default()) };
        if *format != FORMAT {
            return None;
        }
        let mut records = Vec::new();
        while !rest.is_empty() {
            let (record, left) = decode_record(rest)?;
            records.push(record);
            rest = left;
        }
        Some(Self(records))
    }

    /// What a page says of one place, without taking it apart.
    pub(super) fn find(bytes: &[u8], place: Place) -> Option<Known> {
        let (_, mut rest) = bytes.split_first().filter(|(format, _)| **format == FORMAT)?;
        loop {
            let ((found, known), left) = decode_record(rest)?;
            if found == place {
                return Some(known);
            }
            rest = left;
        }
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![FORMAT];
        self.0.iter().for_each(|record| encode_record(record, &mut bytes));
        bytes
    }

    pub(super) fn get(&self, place: Place) -> Option<Known> {
        self.0.iter().find(|(other, _)| *other == place).map(|(_, known)| known.clone())
    }

    /// The newest is the last.
    pub(super) fn put(&mut self, place: Place, known: Known) {
        self.0.retain(|(other, _)| *other != place);
        self.0.push((place, known));
        if self.0.len() > MOST {
            self.0.remove(0);
        }
    }

    pub(super) fn into_pods(self) -> impl Iterator<Item = (Ordinal, Known)> {
        self.0.into_iter().filter_map(|(place, known)| match place {
            Place::Pod(ordinal) => Some((ordinal, known)),
            Place::Endpoint(_) => None,
        })
    }
}

/// A number for a place, spread over all of `u32`.
pub(super) fn number_of(place: Place) -> u32 {
    let mut bytes = Vec::new();
    encode_place(place, &mut bytes);
    let hash = Sha256::digest(&bytes);
    hash.first_chunk().map_or(0, |bytes| u32::from_be_bytes(*bytes))
}

fn encode_record((place, known): &(Place, Known), bytes: &mut Vec<u8>) {
    let place_kind = match place {
        Place::Pod(_) => 0,
        Place::Endpoint(address) => kind_of(*address),
    };
    let ejected = if known.ejection.is_some() { EJECTED } else { 0 };
    bytes.push(place_kind | known.keeps_at.map_or(0, kind_of) << 2 | ejected);
    encode_place(*place, bytes);
    bytes.extend_from_slice(&known.restarted_at.0.to_be_bytes());
    bytes.extend_from_slice(&known.sessions.to_be_bytes());
    bytes.extend_from_slice(&known.expired.to_be_bytes());
    if let Some(address) = known.keeps_at {
        encode_address(address, bytes);
    }
    let Some(Ejection { until, times, answers, is_over, cluster }) = &known.ejection else {
        return;
    };
    bytes.extend_from_slice(&until.0.to_be_bytes());
    bytes.push(*times);
    bytes.push(if *answers { ANSWERS } else { 0 } | if *is_over { OVER } else { 0 });
    let cluster = cluster.as_bytes();
    let cluster = cluster.get(..usize::from(u16::MAX)).unwrap_or(cluster);
    bytes.extend_from_slice(&(cluster.len() as u16).to_be_bytes());
    bytes.extend_from_slice(cluster);
}

fn decode_record(bytes: &[u8]) -> Option<((Place, Known), &[u8])> {
    let mut from = Reader(bytes);
    let [flags] = from.take()?;
    let place = match flags & 0b11 {
        0 => Place::Pod(Ordinal(u32::from_be_bytes(from.take()?))),
        kind => Place::Endpoint(from.address(kind)?),
    };
    let restarted_at = Timestamp(u64::from_be_bytes(from.take()?));
    let sessions = u32::from_be_bytes(from.take()?);
    let expired = u32::from_be_bytes(from.take()?);
    let keeps_at = match (flags >> 2) & 0b11 {
        0 => None,
        kind => Some(from.address(kind)?),
    };
    let ejection = if flags & EJECTED != 0 { Some(from.ejection()?) } else { None };
    Some(((place, Known { restarted_at, keeps_at, sessions, expired, ejection }), from.0))
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*taken)
    }

    fn address(&mut self, kind: u8) -> Option<SocketAddr> {
        let ip = match kind {
            V4 => IpAddr::from(self.take::<4>()?),
            V6 => IpAddr::from(self.take::<16>()?),
            _ => return None,
        };
        Some(SocketAddr::new(ip, u16::from_be_bytes(self.take()?)))
    }

    fn ejection(&mut self) -> Option<Ejection> {
        let until = Timestamp(u64::from_be_bytes(self.take()?));
        let [times, state] = self.take()?;
        let length = u16::from_be_bytes(self.take()?);
        let (cluster, rest) = self.0.split_at_checked(length.into())?;
        self.0 = rest;
        let cluster = String::from_utf8(cluster.to_vec()).ok()?;
        let (answers, is_over) = (state & ANSWERS != 0, state & OVER != 0);
        Some(Ejection { until, times, answers, is_over, cluster })
    }
}

fn kind_of(address: SocketAddr) -> u8 {
    if address.is_ipv4() { V4 } else { V6 }
}

fn encode_place(place: Place, bytes: &mut Vec<u8>) {
    match place {
        Place::Pod(Ordinal(ordinal)) => bytes.extend_from_slice(&ordinal.to_be_bytes()),
        Place::Endpoint(address) => encode_address(address, bytes),
    }
}

fn encode_address(address: SocketAddr, bytes: &mut Vec<u8>) {
    match address.ip() {
        IpAddr::V4(ip) => bytes.extend_from_slice(&ip.octets()),
        IpAddr::V6(ip) => bytes.extend_from_slice(&ip.octets()),
    }
    bytes.extend_from_slice(&address.port().to_be_bytes());
}
