use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::host::SharedMap;
use crate::session::Pin;

const NOW: Timestamp = Timestamp(1_000_000);
const EJECT: Duration = Duration::from_secs(10);

fn ledger() -> Ledger {
    Ledger::new(&Scope::new("default/myserver"))
}

fn pod(ordinal: u32) -> Place {
    Place::Pod(Ordinal(ordinal))
}

fn after(seconds: u64) -> Timestamp {
    Timestamp(NOW.0 + seconds * 1000)
}

fn pin(bound_at: Timestamp, incarnation: Option<&str>) -> Pin {
    let incarnation = incarnation.map(|address| address.parse().unwrap());
    Pin { place: pod(1), incarnation, subject: None, bound_at, used_at: bound_at }
}

#[test]
fn who_is_out_is_known_to_all_and_told_by_a_number() {
    let (ledger, data) = (ledger(), &mut SharedMap::default());
    assert_eq!(ledger.changes(data), 0);
    for ordinal in [200, 3, 64] {
        ledger.update(data, pod(ordinal), &mut |known| known.eject(NOW, EJECT, Some("c".into())));
    }
    assert_eq!(ledger.changes(data), 3);
    let out = |data: &SharedMap, ordinals| {
        ledger.out(data, ordinals).iter().map(|(Ordinal(pod), _)| pod).collect::<Vec<_>>()
    };
    assert_eq!(out(data, 0..10_000), [3, 64, 200]);
    assert_eq!(out(data, 0..200), [3, 64]);
    assert_eq!(out(data, 4..65), [64]);
    // What changes nothing of that is no change.
    ledger.update(data, pod(3), &mut |known| known.answered(after(9)));
    ledger.update(data, pod(3), &mut |known| known.restarted(after(9)));
    ledger.update(data, pod(3), &mut |known| known.eject(after(9), EJECT, None));
    assert_eq!((ledger.changes(data), out(data, 0..10_000)), (3, vec![3, 64, 200]));
    ledger.update(data, pod(3), &mut |known| known.answered(after(10)));
    assert_eq!((ledger.changes(data), out(data, 0..10_000)), (4, vec![64, 200]));
}

#[test]
fn a_pod_that_is_out_again_and_again_is_out_for_longer() {
    let mut known = Known::default();
    let mut now = 0;
    for seconds in [10, 20, 40, 80, 160, 300, 300] {
        assert!(known.eject(after(now), EJECT, None));
        assert!(!known.eject(after(now + 1), EJECT, None), "it is out already");
        now += seconds;
        known.answered(after(now - 1));
        assert!(known.is_out(), "{seconds}");
        known.answered(after(now));
        assert!(!known.is_out(), "{seconds}");
    }
    assert!(known.eject(after(now + 300), EJECT, None), "it was fine for as long as it was out");
    known.answered(after(now + 310));
    assert!(!known.is_out());
}

#[test]
fn a_session_may_be_lost_if_its_pod_restarted_since_or_has_moved() {
    let (here, there) = (Some("10.0.0.1:80"), Some("10.0.0.2:80"));
    let by = |address: Option<&str>| address.map(|address| address.parse().unwrap());
    let mut known = Known::default();
    assert!(!known.may_have_lost(&pin(NOW, here), by(here)));
    assert!(known.may_have_lost(&pin(NOW, here), by(there)), "it has moved");
    assert!(!known.may_have_lost(&pin(NOW, None), by(there)), "where it was is not known");
    assert!(!known.may_have_lost(&pin(NOW, here), None), "where it is is not known");
    assert!(known.restarted(after(1)) && !known.restarted(after(1)) && !known.restarted(NOW));
    assert!(known.may_have_lost(&pin(NOW, here), by(here)));
    assert!(!known.may_have_lost(&pin(after(1), here), by(here)));
    assert!(known.keeps(&pin(NOW, here), by(there)));
    assert!(!known.may_have_lost(&pin(NOW, here), by(there)), "it keeps its sessions");
    assert!(known.may_have_lost(&pin(NOW, here), by(Some("10.0.0.3:80"))));
}

/// A page as this version writes it. What it says must be read by every later one that knows format 1.
#[test]
fn the_format_of_pages_does_not_change_by_mistake() {
    let (ledger, data) = (ledger(), &mut SharedMap::default());
    ledger.update(data, pod(1), &mut |known| {
        known.sessions = 7;
        known.expired = 2;
        known.keeps_at = Some("10.0.0.2:80".parse().unwrap());
        known.restarted(NOW) && known.eject(NOW, EJECT, Some("pods".into()))
    });
    let written: String = data
        .values
        .iter()
        .map(|(key, (value, _))| {
            let hex: String = value.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("{key} {hex}\n")
        })
        .collect();
    assert_eq!(
        written,
        "podpin/c8d2e4d5/pods/1/0 \
         01140000000100000000000f424000000007000000020a000002005000000000000f695001000004706f6473\n\
         podpin/c8d2e4d5/pods/1/changes 00000001\n"
    );
}

#[test]
fn a_page_of_another_format_is_left_alone() {
    let (ledger, data) = (ledger(), &mut SharedMap::default());
    let name = ledger.page(0);
    data.replace(&name, b"\x02what a newer module wrote", None).unwrap();
    let before = data.clone();
    assert_eq!(ledger.known(data, pod(1)), Known::default());
    ledger.update(data, pod(1), &mut |known| known.restarted(NOW));
    assert_eq!(*data, before);
}

#[test]
fn endpoints_that_were_not_heard_of_for_long_are_forgotten() {
    let (ledger, data) = (ledger(), &mut SharedMap::default());
    let endpoint = |number: u32| {
        Place::Endpoint(std::net::SocketAddr::from((std::net::Ipv4Addr::from(number), 80)))
    };
    for number in 0..20_000 {
        ledger.update(data, endpoint(number), &mut |known| known.restarted(NOW));
    }
    let known =
        (0..20_000).filter(|number| ledger.known(data, endpoint(*number)) != Known::default());
    assert_eq!(known.count(), 64 * 64);
    assert_eq!(data.values.len(), 64);
    assert_ne!(ledger.known(data, endpoint(19_999)), Known::default());
}

proptest! {
    #[test]
    fn what_is_written_of_a_pod_is_read(
        ordinals in prop::collection::vec(0u32..64, 1..20),
        restarted_at: u64,
        (sessions, expired) in any::<(u32, u32)>(),
        address: Option<std::net::SocketAddr>,
        (until, times, answers, is_over) in any::<(u64, u8, bool, bool)>(),
        cluster in ".{0,80}",
        ejected: bool,
    ) {
        // A flow label or a scope of an address says nothing here.
        let address = address.map(|address| std::net::SocketAddr::new(address.ip(), address.port()));
        let until = Timestamp(until);
        let ejection = Ejection { until, times, answers, is_over, cluster };
        let known = Known {
            restarted_at: Timestamp(restarted_at),
            keeps_at: address,
            sessions,
            expired,
            ejection: ejected.then_some(ejection),
        };
        let mut page = Page::default();
        let places = ordinals.into_iter().map(pod).chain(address.map(Place::Endpoint));
        places.for_each(|place| page.put(place, known.clone()));
        prop_assert_eq!(Page::decode(&page.encode()), Some(page));
    }

    #[test]
    fn no_bytes_are_too_much(bytes: Vec<u8>) {
        let _ = Page::decode(&[&[1], &bytes[..]].concat());
    }
}
