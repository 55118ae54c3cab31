mod eviction;
mod formats;
mod layouts;
mod load;
mod races;
mod v0_1_0;

use std::cell::RefCell;
use std::sync::Mutex;
use std::time::Duration;

use super::*;
use crate::host::{Overtaken, SharedMap, Version};
use crate::pods::Ordinal;
use crate::pods::Place;

const LIFETIME: Lifetime =
    Lifetime { idle_timeout: Duration::from_secs(100), max_age: Duration::from_secs(1000) };

/// Shared data in memory, as one worker thread sees it.
#[derive(Clone, Copy)]
struct Worker<'a> {
    data: &'a Mutex<SharedMap>,
}

impl SharedData for Worker<'_> {
    fn shared(&self, key: &str) -> Option<(Vec<u8>, Version)> {
        self.data.lock().unwrap().shared(key)
    }

    fn replace(
        &mut self,
        key: &str,
        value: &[u8],
        expected: Option<Version>,
    ) -> Result<(), Overtaken> {
        self.data.lock().unwrap().replace(key, value, expected)
    }
}

#[derive(Default)]
struct Proxy {
    data: Mutex<SharedMap>,
}

impl Proxy {
    fn worker(&self) -> Worker<'_> {
        Worker { data: &self.data }
    }

    fn writes(&self) -> u32 {
        self.data.lock().unwrap().writes
    }
}

fn table(capacity: u32) -> Table {
    Table::new(&Scope::new("default/myserver"), capacity, LIFETIME)
}

/// A table of one bucket.
fn one_bucket() -> Table {
    Table::with_buckets(&Scope::new("default/myserver"), 1, LIFETIME)
}

fn is_live(found: Lookup) -> bool {
    matches!(found, Lookup::Live(_))
}

fn key(number: u32) -> SessionKey {
    let id = number.to_string();
    Scope::new("default/myserver").key(crate::session::SessionId::parse(id.as_bytes()).unwrap())
}

fn seconds(seconds: u64) -> Timestamp {
    Timestamp(seconds * 1000)
}

fn pin(ordinal: u32, now: Timestamp) -> Pin {
    Pin {
        place: Place::Pod(Ordinal(ordinal)),
        incarnation: None,
        subject: None,
        bound_at: now,
        used_at: now,
    }
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
    assert_eq!(bind(usize::MAX), Put::Failed);
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

#[test]
fn what_leaves_is_told_once_with_its_reason() {
    let (proxy, table) = (Proxy::default(), one_bucket());
    let data = &mut proxy.worker();
    table.open(data);
    let bind = |data: &mut Worker, number, now| {
        let bound = table.bind(data, key(number), pin(0, seconds(now)), seconds(now));
        assert_eq!(bound, Put::Done);
        table.take_left()
    };
    let left = |number, bound, why| Left { key: key(number), pin: pin(0, seconds(bound)), why };
    for number in 0..16 {
        assert_eq!(bind(data, number, 0), []);
    }
    assert_eq!(bind(data, 16, 1), [left(0, 0, Why::GaveWay)]);
    assert_eq!(bind(data, 16, 2), [left(16, 1, Why::Replaced)]);
    table.unbind(data, &key(16));
    assert_eq!(table.take_left(), [left(16, 2, Why::Ended)]);
    table.unbind(data, &key(16));
    assert_eq!(table.look(data, &key(15), seconds(100)), Lookup::Expired);
    assert_eq!(table.take_left(), [left(15, 0, Why::Expired)]);
    let expired = bind(data, 99, 100);
    assert_eq!(
        expired,
        std::array::from_fn::<_, 14, _>(|back| 14 - back as u32).map(|number| left(
            number,
            0,
            Why::Expired
        ))
    );
    assert!(is_live(table.look(data, &key(99), seconds(100))));
    assert_eq!(table.take_left(), []);
}

#[test]
fn a_clock_that_was_set_back_ends_no_session_and_every_use_is_not_written() {
    let (proxy, table) = (Proxy::default(), table(64));
    let data = &mut proxy.worker();
    table.open(data);
    table.bind(data, key(1), pin(0, seconds(5000)), seconds(5000));
    let before = proxy.writes();
    for second in 10..19 {
        assert!(is_live(table.look(data, &key(1), seconds(second))), "{second}");
    }
    assert_eq!(proxy.writes() - before, 1, "the time of use follows the clock, once");
    assert_eq!(table.look(data, &key(1), seconds(110)), Lookup::Expired, "by the new time");
    table.bind(data, key(2), pin(0, seconds(5000)), seconds(5000));
    table.look(data, &key(2), seconds(10));
    assert!(is_live(table.look(data, &key(2), seconds(20))), "set forward again");
}
