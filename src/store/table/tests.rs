use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::host::Overtaken;
use crate::pods::Ordinal;
use crate::session::Place;

const LIFETIME: Lifetime =
    Lifetime { idle_timeout: Duration::from_secs(100), max_age: Duration::from_secs(1000) };

/// Shared data in memory, as one worker thread sees it.
#[derive(Clone, Copy)]
struct Worker<'a> {
    data: &'a Mutex<BTreeMap<String, (Vec<u8>, u32)>>,
    writes: &'a Mutex<u32>,
}

impl SharedData for Worker<'_> {
    fn shared(&self, key: &str) -> Option<(Vec<u8>, Version)> {
        let data = self.data.lock().unwrap();
        data.get(key).map(|(value, version)| (value.clone(), Version(*version)))
    }

    fn replace(
        &mut self,
        key: &str,
        value: &[u8],
        expected: Option<Version>,
    ) -> Result<(), Overtaken> {
        let mut data = self.data.lock().unwrap();
        let mut writes = self.writes.lock().unwrap();
        if data.get(key).map(|(_, version)| Version(*version)) != expected {
            return Err(Overtaken);
        }
        *writes += 1;
        data.insert(key.to_owned(), (value.to_vec(), *writes));
        Ok(())
    }
}

#[derive(Default)]
struct Proxy {
    data: Mutex<BTreeMap<String, (Vec<u8>, u32)>>,
    writes: Mutex<u32>,
}

impl Proxy {
    fn worker(&self) -> Worker<'_> {
        Worker { data: &self.data, writes: &self.writes }
    }

    fn writes(&self) -> u32 {
        *self.writes.lock().unwrap()
    }
}

fn table(capacity: u32) -> Table {
    Table::new(&Scope::new("default/myserver"), capacity, LIFETIME)
}

fn key(number: u32) -> SessionKey {
    let id = number.to_string();
    Scope::new("default/myserver").key(crate::session::SessionId::parse(id.as_bytes()).unwrap())
}

fn seconds(seconds: u64) -> Timestamp {
    Timestamp(seconds * 1000)
}

fn pin(ordinal: u32, now: Timestamp) -> Pin {
    Pin { place: Place::Pod(Ordinal(ordinal)), incarnation: None, bound_at: now, used_at: now }
}

#[test]
fn a_bound_session_is_found_until_it_is_unbound() {
    let (proxy, table) = (Proxy::default(), table(64));
    let data = &mut proxy.worker();
    table.open(data);
    let bound = pin(2, seconds(1));
    assert_eq!(table.look(data, &key(1), seconds(1)), Lookup::Unknown);
    assert_eq!(table.bind(data, key(1), bound, seconds(1)), Put::Done);
    assert_eq!(table.look(data, &key(1), seconds(1)), Lookup::Live(bound));
    assert_eq!(table.look(data, &key(2), seconds(1)), Lookup::Unknown);
    table.unbind(data, &key(1));
    assert_eq!(table.look(data, &key(1), seconds(1)), Lookup::Unknown);
}

#[test]
fn a_use_keeps_a_session_and_is_written_every_tenth_of_the_idle_timeout() {
    let (proxy, table) = (Proxy::default(), table(64));
    let data = &mut proxy.worker();
    table.bind(data, key(1), pin(0, seconds(0)), seconds(0));
    let before = proxy.writes();
    for second in 0..=95 {
        assert!(matches!(table.look(data, &key(1), seconds(second)), Lookup::Live(_)));
    }
    assert_eq!(proxy.writes() - before, 9);
    assert!(matches!(table.look(data, &key(1), seconds(189)), Lookup::Live(_)));
    assert_eq!(table.look(data, &key(1), seconds(289)), Lookup::Expired);
    assert_eq!(table.look(data, &key(1), seconds(289)), Lookup::Unknown);

    table.bind(data, key(2), pin(0, seconds(0)), seconds(0));
    for second in (0..=990).step_by(90) {
        assert!(matches!(table.look(data, &key(2), seconds(second)), Lookup::Live(_)));
    }
    assert_eq!(table.look(data, &key(2), seconds(1000)), Lookup::Expired, "max_age");
}

#[test]
fn an_id_in_use_on_one_pod_is_never_given_to_another() {
    let (proxy, table) = (Proxy::default(), table(64));
    let data = &mut proxy.worker();
    table.bind(data, key(1), pin(0, seconds(0)), seconds(0));
    assert_eq!(table.bind(data, key(1), pin(1, seconds(1)), seconds(1)), Put::Taken);
    let again = table.bind(data, key(1), pin(0, seconds(1)), seconds(1));
    assert_eq!(again, Put::Done, "the same pod after a restart");
    let later = table.bind(data, key(1), pin(1, seconds(200)), seconds(200));
    assert_eq!(later, Put::Done, "once the other has expired");
}

#[test]
fn a_full_bucket_drops_the_expired_then_the_least_recently_used() {
    let (proxy, table) = (Proxy::default(), table(8));
    let data = &mut proxy.worker();
    for number in 0..8 {
        table.bind(data, key(number), pin(0, seconds(0)), seconds(0));
    }
    for number in [0, 3] {
        table.look(data, &key(number), seconds(0));
    }
    for number in 8..12 {
        assert_eq!(table.bind(data, key(number), pin(0, seconds(1)), seconds(1)), Put::Done);
        assert_eq!(table.take_evicted(), 1);
    }
    for number in 0..12 {
        let live = matches!(table.look(data, &key(number), seconds(1)), Lookup::Live(_));
        assert_eq!(live, [0, 3, 6, 7].contains(&number) || number >= 8, "{number}");
    }
    let late = table.bind(data, key(20), pin(0, seconds(500)), seconds(500));
    assert_eq!(late, Put::Done, "the expired make room");
}

#[test]
fn a_session_in_use_is_spared_however_full_its_bucket_was() {
    for others in 0..8 {
        let (proxy, table) = (Proxy::default(), table(8));
        let data = &mut proxy.worker();
        table.bind(data, key(0), pin(0, seconds(0)), seconds(0));
        for number in 1..=others {
            table.bind(data, key(number), pin(0, seconds(0)), seconds(0));
        }
        for number in 100..200 {
            assert!(matches!(table.look(data, &key(0), seconds(0)), Lookup::Live(_)), "{others}");
            for newer in 0..4 {
                let number = number * 4 + newer;
                table.bind(data, key(number), pin(0, seconds(0)), seconds(0));
            }
        }
    }
}

#[test]
fn lookups_of_the_last_four_in_use_do_not_write() {
    let (proxy, table) = (Proxy::default(), table(8));
    let data = &mut proxy.worker();
    for number in 0..8 {
        table.bind(data, key(number), pin(0, seconds(0)), seconds(0));
    }
    let before = proxy.writes();
    for number in (4..8).cycle().take(1000) {
        assert!(matches!(table.look(data, &key(number), seconds(0)), Lookup::Live(_)));
    }
    assert_eq!(proxy.writes(), before);
}

/// A session is moved to the present size by one worker while another looks for it.
#[test]
fn a_session_that_moves_is_found_all_the_same() {
    let proxy = Proxy::default();
    let (small, large) = (table(800), table(8000));
    small.open(&mut proxy.worker());
    small.bind(&mut proxy.worker(), key(1), pin(1, seconds(0)), seconds(0));
    large.open(&mut proxy.worker());
    let mut data = Moving(proxy.worker(), RefCell::new(1));
    let found = large.look(&mut data, &key(1), seconds(0));
    assert_eq!(found, Lookup::Live(pin(1, seconds(0))));
}

/// After the first read, another worker looks the session up, and so moves it.
struct Moving<'a>(Worker<'a>, RefCell<usize>);

impl SharedData for Moving<'_> {
    fn shared(&self, name: &str) -> Option<(Vec<u8>, Version)> {
        let found = self.0.shared(name);
        if self.1.replace(0) == 1 {
            table(8000).look(&mut self.0.clone(), &key(1), seconds(0));
        }
        found
    }

    fn replace(
        &mut self,
        name: &str,
        value: &[u8],
        expected: Option<Version>,
    ) -> Result<(), Overtaken> {
        self.0.replace(name, value, expected)
    }
}

#[test]
fn the_table_is_three_quarters_full_before_a_live_session_gives_way() {
    let (proxy, table) = (Proxy::default(), table(8000));
    let data = &mut proxy.worker();
    let mut evicted = 0;
    for number in 0..6000 {
        assert_eq!(table.bind(data, key(number), pin(0, seconds(0)), seconds(0)), Put::Done);
        evicted += table.take_evicted();
    }
    assert!(evicted <= 6, "{evicted} of 6000, more than one in a thousand");
    let live = |number: &u32| {
        matches!(table.look(&mut proxy.worker(), &key(*number), seconds(0)), Lookup::Live(_))
    };
    assert_eq!((0..6000).filter(live).count(), 6000 - evicted);
    (0..6000).for_each(|number| table.unbind(data, &key(number)));
    assert_eq!((0..6000).filter(live).count(), 0);
}

#[test]
fn the_number_of_keys_is_bounded_by_the_capacity() {
    let (proxy, table) = (Proxy::default(), table(80));
    let data = &mut proxy.worker();
    table.open(data);
    for number in 0..2000 {
        table.bind(data, key(number), pin(0, seconds(0)), seconds(0));
    }
    let data = proxy.data.lock().unwrap();
    assert_eq!(data.len(), 10 + 1, "ten buckets and the list of sizes");
    assert!(data.values().all(|(value, _)| value.len() <= 442));
}

#[test]
fn sessions_survive_every_change_of_the_capacity() {
    let proxy = Proxy::default();
    let data = &mut proxy.worker();
    let (small, large) = (table(800), table(8000));
    small.open(data);
    for number in 0..100 {
        small.bind(data, key(number), pin(1, seconds(0)), seconds(0));
    }
    large.open(data);
    for number in 100..200 {
        large.bind(data, key(number), pin(1, seconds(0)), seconds(0));
    }
    for (about, table) in [("new", &large), ("old, still draining", &small), ("new", &large)] {
        for number in 0..200 {
            let found = table.look(data, &key(number), seconds(0));
            assert_eq!(found, Lookup::Live(pin(1, seconds(0))), "{number} by the {about} one");
        }
    }
    let taken = small.bind(data, key(150), pin(2, seconds(0)), seconds(0));
    assert_eq!(taken, Put::Taken, "an id that a table of another size holds");
    small.unbind(data, &key(7));
    assert_eq!(large.look(data, &key(7), seconds(0)), Lookup::Unknown);
    assert_eq!(large.look(data, &key(8), seconds(150)), Lookup::Expired);
}

/// Loses the race for the first `lost` writes.
struct Slow<'a>(Worker<'a>, RefCell<usize>);

impl SharedData for Slow<'_> {
    fn shared(&self, key: &str) -> Option<(Vec<u8>, Version)> {
        self.0.shared(key)
    }

    fn replace(
        &mut self,
        key: &str,
        value: &[u8],
        expected: Option<Version>,
    ) -> Result<(), Overtaken> {
        match self.1.get_mut() {
            0 => self.0.replace(key, value, expected),
            lost => {
                *lost -= 1;
                Err(Overtaken)
            }
        }
    }
}

#[test]
fn a_lost_race_is_run_again_and_an_endless_one_is_a_failure() {
    let (proxy, table) = (Proxy::default(), table(64));
    let bind = |lost| {
        let mut data = Slow(proxy.worker(), RefCell::new(lost));
        table.bind(&mut data, key(1), pin(0, seconds(0)), seconds(0))
    };
    assert_eq!(bind(5), Put::Done);
    assert_eq!(bind(usize::MAX), Put::Contended);
}

#[test]
fn workers_that_bind_at_the_same_time_lose_nothing() {
    let proxy = Proxy::default();
    std::thread::scope(|scope| {
        for worker in 0..4u32 {
            let proxy = &proxy;
            scope.spawn(move || {
                let (mut data, table) = (proxy.worker(), table(8 * 64));
                // 128 sessions in 64 buckets: collisions, but hardly one over 8.
                for number in (worker * 32)..(worker * 32 + 32) {
                    let bound = table.bind(&mut data, key(number), pin(0, seconds(0)), seconds(0));
                    assert_eq!(bound, Put::Done);
                    table.look(&mut data, &key(number / 2), seconds(0));
                }
            });
        }
    });
    for number in 0..128 {
        let found = table(8 * 64).look(&mut proxy.worker(), &key(number), seconds(0));
        assert!(matches!(found, Lookup::Live(_)), "{number}");
    }
}

proptest! {
    /// In one bucket.
    #[test]
    fn only_a_session_gives_way_that_was_not_used_while_five_others_were(
        steps in prop::collection::vec((0u32..14, 0u8..4), 0..200),
    ) {
        let (proxy, table) = (Proxy::default(), table(8));
        let data = &mut proxy.worker();
        // The sessions that live, the one that was opened or used last at the front.
        let mut recent: Vec<u32> = Vec::new();
        for (number, step) in steps {
            let known = recent.iter().position(|other| *other == number);
            match step {
                0 => {
                    table.bind(data, key(number), pin(0, seconds(0)), seconds(0));
                    recent.retain(|other| *other != number);
                    recent.insert(0, number);
                    let bytes = data.shared(&table.bucket(1, 0)).unwrap().0;
                    let gone = recent.iter().position(|n| bucket::find(&bytes, &key(*n)).is_none());
                    prop_assert_eq!(gone.is_some(), recent.len() > 8);
                    if let Some(place) = gone {
                        prop_assert!(place >= 5, "{place}");
                        recent.remove(place);
                    }
                }
                1 => {
                    table.unbind(data, &key(number));
                    recent.retain(|other| *other != number);
                }
                _ => {
                    let found = table.look(data, &key(number), seconds(0));
                    prop_assert_eq!(matches!(found, Lookup::Live(_)), known.is_some());
                    if let Some(place) = known {
                        recent.remove(place);
                        recent.insert(0, number);
                    }
                }
            }
        }
    }
}
