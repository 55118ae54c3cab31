//! Tables of other formats: what Podpin 0.1.0 wrote and writes, and what is newer or broken.

use std::collections::BTreeMap;

use std::net::SocketAddr;

use proptest::prelude::*;
use serde_json::Value;

use super::*;

/// A table of Podpin 0.1.0, beside the present ones.
fn old(capacity: u32) -> v0_1_0::Table {
    v0_1_0::Table::new(&Scope::new("default/myserver"), capacity, LIFETIME)
}

/// What Podpin 0.1.0 left in the shared data of a proxy, and the sessions that lived there.
fn left_by_0_1_0() -> (Proxy, Vec<(SessionKey, Pin)>) {
    let text =
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/table-0.1.0.json"));
    let written: Value = serde_json::from_str(text).unwrap();
    let proxy = Proxy::default();
    for (name, value) in written["shared_data"].as_object().unwrap() {
        let digits = value.as_str().unwrap().as_bytes().chunks(2);
        let digits = digits.map(|pair| std::str::from_utf8(pair).unwrap());
        let value: Vec<u8> = digits.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect();
        proxy.worker().replace(name, &value, None).unwrap();
    }
    let sessions = written["sessions"].as_array().unwrap().iter().map(|session| {
        let address = session["incarnation"].as_str();
        let pin = Pin {
            place: Place::Pod(Ordinal(session["ordinal"].as_u64().unwrap() as u32)),
            incarnation: address.map(|address| address.parse::<SocketAddr>().unwrap()),
            subject: None,
            bound_at: Timestamp(session["bound_at"].as_u64().unwrap()),
            used_at: Timestamp(session["used_at"].as_u64().unwrap()),
        };
        (key(session["id"].as_str().unwrap().parse().unwrap()), pin)
    });
    let sessions = sessions.collect();
    (proxy, sessions)
}

#[test]
fn sessions_that_podpin_0_1_0_left_live_on() {
    let (proxy, sessions) = left_by_0_1_0();
    assert_eq!(sessions.len(), 40);
    let now = Timestamp(1_750_000_021_000);
    for capacity in [64, 65_536] {
        let table = table(capacity);
        let data = &mut proxy.worker();
        table.open(data);
        for (key, pin) in &sessions {
            let Lookup::Live(found) = table.look(data, key, now) else { panic!("{key} is lost") };
            // It has been looked up before, so its time of use may be the present one.
            assert_eq!(Pin { used_at: pin.used_at, ..found }, *pin);
        }
    }
}

/// Before, after and beside the present module.
#[test]
fn podpin_0_1_0_finds_what_it_wrote_after_the_present_module_ran() {
    let (proxy, sessions) = left_by_0_1_0();
    let now = Timestamp(1_750_000_021_000);
    let (table, data) = (table(1000), &mut proxy.worker());
    table.open(data);
    for (key, _) in &sessions {
        table.look(data, key, now);
    }
    table.unbind(data, &sessions[0].0);
    let old = old(64);
    old.open(data);
    for (key, pin) in &sessions[1..] {
        let Lookup::Live(found) = old.look(data, key, now) else { panic!("{key} is lost") };
        assert_eq!(found.place, pin.place);
    }
    assert_eq!(old.look(data, &sessions[0].0, now), Lookup::Unknown, "it has ended");
}

/// Several workers of both, each with its connections, while one drains: which is whose does not
/// matter to a session.
#[derive(Clone, Copy, Debug)]
enum Step {
    Open(u32, bool),
    Use(u32, bool),
    End(u32, bool),
    Wait(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        (0u32..40, any::<bool>()).prop_map(|(number, by_old)| Step::Open(number, by_old)),
        (0u32..40, any::<bool>()).prop_map(|(number, by_old)| Step::Use(number, by_old)),
        (0u32..40, any::<bool>()).prop_map(|(number, by_old)| Step::Use(number, by_old)),
        (0u32..40, any::<bool>()).prop_map(|(number, by_old)| Step::End(number, by_old)),
        (1u64..45).prop_map(Step::Wait),
    ];
    prop::collection::vec(step, 0..200)
}

proptest! {
    #[test]
    fn podpin_0_1_0_and_the_present_module_side_by_side_lose_nothing(
        steps in steps(),
        capacity in prop_oneof![Just(512u32), Just(64), Just(4096)],
    ) {
        let proxy = Proxy::default();
        let data = &mut proxy.worker();
        let old = old(512);
        old.open(data);
        let table = table(capacity);
        table.open(data);
        let mut now = 0;
        // When each session was last used for certain, and opened; ids are never used again.
        let mut live = BTreeMap::new();
        let mut ended = Vec::new();
        for step in steps {
            match step {
                Step::Open(number, by_old) if !live.contains_key(&number) && !ended.contains(&number) => {
                    let (pin, at) = (pin(number % 3, seconds(now)), seconds(now));
                    if by_old {
                        prop_assert_eq!(old.bind(data, key(number), pin, at), v0_1_0::Put::Done);
                    } else {
                        prop_assert_eq!(table.bind(data, key(number), pin, at), Put::Done);
                    }
                    live.insert(number, (now, now));
                }
                Step::Use(number, by_old) => {
                    let found = match by_old {
                        true => old.look(data, &key(number), seconds(now)),
                        false => table.look(data, &key(number), seconds(now)),
                    };
                    match live.get_mut(&number) {
                        // A time of use is good to a tenth of the idle timeout, twice that if both note it.
                        Some((used, opened)) if now - *used < 80 && now - *opened < 1000 => {
                            prop_assert!(is_live(found), "{number} at {now} by_old={by_old}: {found:?}");
                            *used = now;
                        }
                        Some((used, opened)) if now - *used >= 120 || now - *opened >= 1000 => {
                            live.remove(&number);
                            ended.push(number);
                        }
                        Some((used, _)) => {
                            if is_live(found) { *used = now } else { live.remove(&number); ended.push(number); }
                        }
                        // Ended by the old one, it may be remembered here; its pod says 404.
                        None => {}
                    }
                }
                Step::End(number, by_old) => {
                    if live.remove(&number).is_some() {
                        ended.push(number);
                    }
                    if by_old {
                        old.unbind(data, &key(number));
                    } else {
                        table.unbind(data, &key(number));
                        prop_assert_eq!(table.look(data, &key(number), seconds(now)), Lookup::Unknown);
                        prop_assert_eq!(old.look(data, &key(number), seconds(now)), Lookup::Unknown);
                    }
                }
                Step::Wait(seconds) => now += seconds,
                Step::Open(..) => {}
            }
        }
    }
}

/// Nothing gives way in the old table to a copy: it may be there alone.
#[test]
fn a_full_table_of_podpin_0_1_0_loses_nothing_to_new_sessions() {
    let (proxy, old, table) = (Proxy::default(), old(8), table(1000));
    let data = &mut proxy.worker();
    old.open(data);
    for number in 0..8 {
        old.bind(data, key(number), pin(0, seconds(0)), seconds(0));
    }
    table.open(data);
    for number in 8..50 {
        table.bind(data, key(number), pin(0, seconds(0)), seconds(0));
    }
    for number in 0..50 {
        assert!(is_live(table.look(data, &key(number), seconds(0))), "{number}");
    }
}

#[test]
fn a_session_of_an_endpoint_is_not_shown_to_podpin_0_1_0() {
    let (proxy, old, table) = (Proxy::default(), old(64), table(64));
    let data = &mut proxy.worker();
    old.open(data);
    table.open(data);
    let place = Place::Endpoint("10.0.0.7:8080".parse().unwrap());
    let pin = Pin { place, ..pin(0, seconds(0)) };
    assert_eq!(table.bind(data, key(1), pin, seconds(0)), Put::Done);
    assert_eq!(table.look(data, &key(1), seconds(0)), Lookup::Live(pin));
    assert_eq!(old.look(data, &key(1), seconds(0)), Lookup::Unknown);
}

/// Changes the first byte of all buckets.
fn set_format(proxy: &Proxy, format: u8) {
    for (name, (value, _)) in &mut proxy.data.lock().unwrap().values {
        if !name.ends_with("sizes") {
            value[0] = format;
        }
    }
}

#[test]
fn a_newer_bucket_is_a_failure_and_is_never_written() {
    for (about, capacity) in [("of the present size", 64), ("of another size", 640)] {
        let (proxy, first) = (Proxy::default(), table(64));
        let data = &mut proxy.worker();
        first.open(data);
        for number in 0..60 {
            first.bind(data, key(number), pin(0, seconds(0)), seconds(0));
        }
        set_format(&proxy, 3);
        let table = table(capacity);
        table.open(data);
        let before = proxy.data.lock().unwrap().clone();
        for number in 0..60 {
            assert_eq!(table.look(data, &key(number), seconds(0)), Lookup::Failed, "{about}");
            let put = table.bind(data, key(number), pin(1, seconds(0)), seconds(0));
            assert_eq!(put, Put::Failed, "{about}");
            table.unbind(data, &key(number));
            assert_eq!(table.held(data, &key(number), seconds(0)), None);
        }
        assert_eq!(*proxy.data.lock().unwrap(), before, "{about}");
        assert_eq!(table.take_left(), []);
    }
}

#[test]
fn a_broken_bucket_is_an_empty_one() {
    let (proxy, table) = (Proxy::default(), table(64));
    let data = &mut proxy.worker();
    table.open(data);
    for number in 0..60 {
        table.bind(data, key(number), pin(0, seconds(0)), seconds(0));
    }
    set_format(&proxy, 0);
    for number in 0..60 {
        assert_eq!(table.look(data, &key(number), seconds(0)), Lookup::Unknown);
        assert_eq!(table.bind(data, key(number), pin(1, seconds(0)), seconds(0)), Put::Done);
        assert!(is_live(table.look(data, &key(number), seconds(0))));
    }
}
