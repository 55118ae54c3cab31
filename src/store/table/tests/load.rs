//! Tables with many sessions: what fits, what it takes, and how much is written.

#![expect(clippy::disallowed_macros, reason = "the figures are for who runs it by hand")]

use super::*;

/// Splitmix64, seeded: numbers that look random and are the same in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u32) -> u32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % u64::from(bound)) as u32
    }
}

fn fill(table: &Table, data: &mut Worker, sessions: u32) -> usize {
    let mut gave_way = 0;
    for number in 0..sessions {
        assert_eq!(table.bind(data, key(number), pin(0, seconds(0)), seconds(0)), Put::Done);
        gave_way += table.take_left().iter().filter(|left| left.why == Why::GaveWay).count();
    }
    gave_way
}

/// The bytes of all names and values.
fn bytes(proxy: &Proxy) -> usize {
    let data = proxy.data.lock().unwrap();
    data.values.iter().map(|(name, (value, _))| name.len() + value.len()).sum()
}

#[test]
fn as_many_sessions_fit_as_the_capacity_says() {
    for capacity in [8, 100, 1000, 20_000] {
        let (proxy, table) = (Proxy::default(), table(capacity));
        let data = &mut proxy.worker();
        table.open(data);
        assert_eq!(fill(&table, data, capacity), 0, "{capacity}");
        let found =
            |number: &u32| is_live(table.look(&mut proxy.worker(), &key(*number), seconds(0)));
        assert!((0..capacity).all(|number| found(&number)), "{capacity}");
        let each = bytes(&proxy) / capacity as usize;
        assert!(capacity < 1000 || each < 60, "{each} bytes a session of {capacity}");
        (0..capacity).for_each(|number| table.unbind(data, &key(number)));
        assert_eq!((0..capacity).filter(found).count(), 0);
    }
}

/// `cargo test --package podpin --release -- --ignored --nocapture` prints the figures.
#[test]
#[ignore = "a measurement, of a minute"]
fn a_million_sessions_fit_into_a_capacity_of_a_million() {
    for capacity in [1000, 65_536, 1_000_000] {
        let (proxy, table) = (Proxy::default(), table(capacity));
        let gave_way = fill(&table, &mut proxy.worker(), capacity);
        let each = bytes(&proxy) as f64 / f64::from(capacity);
        println!("{capacity}: {gave_way} gave way, {each:.1} bytes a session");
        assert!(gave_way * 100_000 <= capacity as usize, "{gave_way} of {capacity}");
    }
}

#[test]
fn the_number_of_keys_is_bounded_by_the_capacity() {
    let (proxy, table) = (Proxy::default(), table(80));
    let data = &mut proxy.worker();
    table.open(data);
    fill(&table, data, 2000);
    let data = proxy.data.lock().unwrap();
    assert_eq!(data.values.len(), 8 + 1, "eight buckets and the list of sizes");
    assert!(data.values.values().all(|(value, _)| value.len() <= 2 + 16 * 39));
}

/// Look-ups at random among all sessions, and openings that let the oldest be forgotten.
#[test]
fn lookups_hardly_write_however_full_the_table_is() {
    const CAPACITY: u32 = 4096;
    for (about, full, lookups_an_opening, bound) in [
        ("half full", 2, None, 0.0001),
        ("three quarters full", 3, None, 0.0001),
        ("full", 4, None, 0.0001),
        ("half full, 1 opening in 100", 2, Some(100), 0.04),
        ("three quarters full, 1 opening in 100", 3, Some(100), 0.08),
        ("three quarters full, 1 opening in 10", 3, Some(10), 0.25),
    ] {
        let (proxy, table) = (Proxy::default(), table(CAPACITY));
        let data = &mut proxy.worker();
        let sessions = CAPACITY / 4 * full;
        fill(&table, data, sessions);
        let (mut random, mut oldest, mut writes) = (Random(1), 0, Vec::new());
        for _ in 0..2 {
            let mut written = 0;
            let lookups = sessions * 20;
            for turn in 0..lookups {
                if lookups_an_opening.is_some_and(|every| turn % every == 0) {
                    table.unbind(data, &key(oldest));
                    let new = oldest + sessions;
                    table.bind(data, key(new), pin(0, seconds(0)), seconds(0));
                    oldest += 1;
                }
                let number = oldest + random.below(sessions);
                let before = proxy.writes();
                table.look(data, &key(number), seconds(0));
                written += proxy.writes() - before;
            }
            writes.push(f64::from(written) / f64::from(lookups));
        }
        println!("{about}: {:.4} writes a look-up at first, {:.4} later", writes[0], writes[1]);
        assert!(writes[1] <= bound, "{about}: {writes:?}");
    }
}
