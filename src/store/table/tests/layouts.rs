//! Tables of several sizes over the same sessions.

use super::*;
use crate::store::table::bucket::Bucket;

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
    assert_eq!(small.look(data, &key(8), seconds(150)), Lookup::Unknown);
    assert_eq!(large.take_left().iter().filter(|left| left.key == key(8)).count(), 1);
}

#[test]
fn a_use_that_finds_a_session_in_another_size_is_noted() {
    let proxy = Proxy::default();
    let data = &mut proxy.worker();
    let (small, large) = (table(800), table(8000));
    small.open(data);
    small.bind(data, key(1), pin(1, seconds(0)), seconds(0));
    large.open(data);
    assert!(is_live(large.look(data, &key(1), seconds(90))));
    assert!(is_live(large.look(data, &key(1), seconds(185))), "95 seconds later");
}

/// Both serve: one as the listener that drains, one as that which replaced it.
#[test]
fn a_use_in_one_size_keeps_the_session_in_the_other() {
    let proxy = Proxy::default();
    let data = &mut proxy.worker();
    let (small, large) = (table(800), table(8000));
    small.open(data);
    small.bind(data, key(1), pin(1, seconds(0)), seconds(0));
    large.open(data);
    assert!(is_live(large.look(data, &key(1), seconds(0))));
    for second in (0..900).step_by(90) {
        assert!(is_live(small.look(data, &key(1), seconds(second))));
    }
    assert!(is_live(large.look(data, &key(1), seconds(900))), "its own copy expired long ago");
    assert!(is_live(small.look(data, &key(1), seconds(990))), "and the other way round");
    assert_eq!(large.look(data, &key(1), seconds(1000)), Lookup::Expired, "max_age");
}

/// As two workers may leave it that carry it at the same time.
#[test]
fn a_session_that_is_in_both_its_buckets_ends_in_both() {
    let proxy = Proxy::default();
    let data = &mut proxy.worker();
    let table = Table::with_buckets(&Scope::new("default/myserver"), 2, LIFETIME);
    let in_first = |number: &u32| key(*number).halves()[0].is_multiple_of(2);
    let neighbours: Vec<u32> = (100..).filter(in_first).take(Format::Two.nearly_full()).collect();
    for number in &neighbours {
        table.bind(data, key(*number), pin(0, seconds(0)), seconds(0));
    }
    let both = |number: &u32| in_first(number) && key(*number).halves()[1] % 2 == 1;
    let session = key((0..100).find(both).unwrap());
    let carry = |data: &mut Worker| {
        let carried = (session, pin(0, seconds(0)));
        table.insert(data, table.layout, carried, seconds(0), Manner::Carried);
    };
    let holders = || {
        let data = proxy.data.lock().unwrap();
        let buckets =
            data.values.values().map(|(value, _)| Bucket::decode(Format::Two, value).unwrap());
        buckets.filter(|bucket| bucket.holds(&session)).count()
    };
    carry(data);
    for number in &neighbours {
        table.unbind(data, &key(*number));
    }
    carry(data);
    assert_eq!(holders(), 2);
    table.unbind(data, &session);
    assert_eq!(holders(), 0);
}

#[test]
fn a_miss_reads_each_list_once() {
    let (proxy, table) = (Proxy::default(), table(64));
    let data = &mut proxy.worker();
    table.open(data);
    let counting = &mut Counting(proxy.worker(), RefCell::new(0));
    table.look(counting, &key(1), seconds(0));
    assert_eq!(counting.1.replace(0), 3, "its bucket, and the lists of both formats");
    table.bind(data, key(1), pin(0, seconds(0)), seconds(0));
    table.look(counting, &key(1), seconds(5));
    assert_eq!(counting.1.replace(0), 1, "a session that is where it should be");
}

/// Counts reads.
struct Counting<'a>(Worker<'a>, RefCell<u32>);

impl SharedData for Counting<'_> {
    fn shared(&self, name: &str) -> Option<(Vec<u8>, Version)> {
        *self.1.borrow_mut() += 1;
        self.0.shared(name)
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
