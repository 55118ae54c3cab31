use std::net::{IpAddr, SocketAddr};

use proptest::prelude::*;

use super::*;
use crate::pods::Ordinal;
use crate::pods::Place;
use crate::session::Subject;

fn address() -> impl Strategy<Value = SocketAddr> {
    (any::<IpAddr>(), any::<u16>()).prop_map(SocketAddr::from)
}

prop_compose! {
    fn entries()(
        key: [u8; 16],
        ordinal: u32,
        endpoint in prop::option::of(address()),
        incarnation in prop::option::of(address()),
        [bound_at, used_at] in prop::array::uniform2(0..1_u64 << 48),
        subject in prop::option::of(any::<[u8; 16]>()),
        noted: bool,
    ) -> Entry {
        let place = endpoint.map_or(Place::Pod(Ordinal(ordinal)), Place::Endpoint);
        let (bound_at, used_at) = (Timestamp(bound_at), Timestamp(used_at));
        let subject = subject.map(Subject::from_bytes);
        let pin = Pin { place, incarnation, subject, bound_at, used_at };
        Entry { key: SessionKey::from_bytes(key), pin, noted }
    }
}

/// What is left of a bucket in a format: format 1 has no endpoints, no subjects and no notes.
fn as_in(format: Format, mut bucket: Bucket) -> Bucket {
    if format == Format::One {
        let pins = |entry: &Entry| (entry.pin.place, entry.pin.subject);
        bucket.entries.retain(|entry| matches!(pins(entry), (Place::Pod(_), None)));
        bucket.entries.iter_mut().for_each(|entry| entry.noted = false);
    }
    bucket
}

proptest! {
    #[test]
    fn what_is_encoded_is_decoded(
        entries in prop::collection::vec(entries(), 0..=Format::One.places()),
        spilled: bool,
        wanted in 0..Format::One.places(),
    ) {
        for format in [Format::One, Format::Two] {
            let bytes = Bucket { entries: entries.clone(), spilled }.encode(format);
            let bucket = as_in(format, Bucket { entries: entries.clone(), spilled });
            prop_assert_eq!(Bucket::decode(format, &bytes), Some(bucket.clone()));
            prop_assert_eq!(has_spilled(format, &bytes), spilled);
            let Some(wanted_entry) = bucket.entries.get(wanted) else { continue };
            match find(format, &bytes, &wanted_entry.key) {
                Found::Here { position, entry } => {
                    prop_assert_eq!((position, entry), (wanted, *wanted_entry));
                }
                _ => prop_assert!(false, "not found"),
            }
        }
    }

    #[test]
    fn any_bytes_are_read_without_a_panic(mut bytes: Vec<u8>, key: [u8; 16], first in 0u8..3) {
        if let Some(byte) = bytes.first_mut() {
            *byte = first;
        }
        for format in [Format::One, Format::Two] {
            if let Some(bucket) = Bucket::decode(format, &bytes) {
                prop_assert!(bucket.entries.len() <= format.places());
            }
            find(format, &bytes, &SessionKey::from_bytes(key));
            has_spilled(format, &bytes);
        }
    }

    #[test]
    fn a_newer_bucket_is_told_from_a_broken_one(entry in entries(), first: u8) {
        for format in [Format::One, Format::Two] {
            let mut bytes = Bucket { entries: vec![entry], spilled: true }.encode(format);
            bytes[0] = first;
            if first > format as u8 {
                prop_assert_eq!(Bucket::decode(format, &bytes), None);
                prop_assert!(matches!(find(format, &bytes, &entry.key), Found::Newer));
            } else if first < format as u8 {
                prop_assert_eq!(Bucket::decode(format, &bytes), Some(Bucket::default()));
                let found = find(format, &bytes, &entry.key);
                let is_absent = matches!(found, Found::Absent { spilled: false });
                prop_assert!(is_absent);
            }
        }
    }

    /// What precedes the break is whole.
    #[test]
    fn a_bucket_that_breaks_off_keeps_the_entries_before(
        entries in prop::collection::vec(entries(), 1..=Format::Two.places()),
        cut in 1usize..30,
    ) {
        let mut bytes = Bucket { entries: entries.clone(), spilled: false }.encode(Format::Two);
        bytes.truncate(bytes.len() - cut);
        let kept = Bucket::decode(Format::Two, &bytes).unwrap().entries;
        prop_assert_eq!(&kept[..], &entries[..entries.len() - 1]);
    }
}

#[test]
fn a_pin_to_a_pod_takes_39_bytes() {
    let pin = Pin {
        place: Place::Pod(Ordinal(2)),
        incarnation: Some("10.244.0.12:8080".parse().unwrap()),
        subject: None,
        bound_at: Timestamp(1),
        used_at: Timestamp(2),
    };
    let entry = Entry { key: SessionKey::from_bytes([7; 16]), pin, noted: true };
    let bytes = Bucket { entries: vec![entry], spilled: true }.encode(Format::Two);
    let mut wanted = vec![2, 1];
    wanted.extend([7; 16]);
    wanted.extend([0b1000_0100, 0, 0, 0, 2, 10, 244, 0, 12, 0x1f, 0x90]);
    wanted.extend([0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 2]);
    assert_eq!(bytes, wanted, "this format never changes");
}

#[test]
fn a_time_of_more_than_six_bytes_is_the_latest_of_six() {
    let time = Timestamp(u64::MAX);
    let place = Place::Pod(Ordinal(2));
    let pin = Pin { place, incarnation: None, subject: None, bound_at: time, used_at: time };
    let entry = Entry { key: SessionKey::from_bytes([7; 16]), pin, noted: false };
    let bytes = Bucket { entries: vec![entry], spilled: false }.encode(Format::Two);
    let read = Bucket::decode(Format::Two, &bytes).unwrap();
    let latest = Timestamp((1 << 48) - 1);
    assert_eq!(read.entries[0].pin, Pin { bound_at: latest, used_at: latest, ..pin });
}
