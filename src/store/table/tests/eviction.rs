//! Who gives way, in a table of one bucket.

use proptest::prelude::*;

use super::*;

fn open(table: &Table, data: &mut Worker, number: u32, now: Timestamp) {
    assert_eq!(table.bind(data, key(number), pin(0, now), now), Put::Done);
}

fn gave_way(table: &Table) -> usize {
    table.take_left().iter().filter(|left| left.why == Why::GaveWay).count()
}

#[test]
fn a_full_bucket_drops_the_expired_then_the_least_recently_used() {
    let (proxy, table) = (Proxy::default(), one_bucket());
    let data = &mut proxy.worker();
    (0..16).for_each(|number| open(&table, data, number, seconds(0)));
    for number in [0, 3] {
        table.look(data, &key(number), seconds(0));
    }
    for number in 16..24 {
        open(&table, data, number, seconds(1));
        assert_eq!(gave_way(&table), 1);
    }
    for number in 0..24 {
        let live = is_live(table.look(data, &key(number), seconds(1)));
        assert_eq!(live, [0, 3].contains(&number) || number >= 10, "{number}");
    }
    open(&table, data, 30, seconds(500));
    assert_eq!(gave_way(&table), 0, "the expired make room");
}

#[test]
fn a_session_in_use_is_spared_however_full_its_bucket_was() {
    for others in 0..16 {
        let (proxy, table) = (Proxy::default(), one_bucket());
        let data = &mut proxy.worker();
        (0..=others).for_each(|number| open(&table, data, number, seconds(0)));
        for number in 100..200 {
            assert!(is_live(table.look(data, &key(0), seconds(0))), "{others}");
            (0..8).for_each(|newer| open(&table, data, number * 8 + newer, seconds(0)));
        }
    }
}

/// As every client uses its session once, to say that it is initialized.
#[test]
fn a_flood_of_sessions_that_are_used_once_spares_those_in_use() {
    let (proxy, table) = (Proxy::default(), one_bucket());
    let data = &mut proxy.worker();
    (0..3).for_each(|number| open(&table, data, number, seconds(0)));
    for number in 100..1000 {
        for used in 0..3 {
            assert!(is_live(table.look(data, &key(used), seconds(0))), "{used} before {number}");
        }
        open(&table, data, number, seconds(0));
        assert!(is_live(table.look(data, &key(number), seconds(0))));
    }
}

#[test]
fn lookups_of_a_steady_set_of_sessions_soon_stop_to_write() {
    let (proxy, table) = (Proxy::default(), one_bucket());
    let data = &mut proxy.worker();
    (0..16).for_each(|number| open(&table, data, number, seconds(0)));
    let look_at_all = |data: &mut Worker| {
        let before = proxy.writes();
        for number in (0..16).cycle().take(1000) {
            assert!(is_live(table.look(data, &key(number), seconds(0))));
        }
        proxy.writes() - before
    };
    assert!(look_at_all(data) <= 16);
    assert_eq!(look_at_all(data), 0);
    open(&table, data, 16, seconds(0));
    for number in 0..16 {
        table.look(data, &key(number), seconds(0));
    }
    let before = proxy.writes();
    for number in (1..17).cycle().take(1000) {
        table.look(data, &key(number), seconds(0));
    }
    assert!(proxy.writes() - before <= 16, "as often as one was opened");
}

proptest! {
    /// What the module's documentation promises.
    #[test]
    fn a_session_gives_way_only_after_nine_others_were_opened_or_used(
        steps in prop::collection::vec((0u32..26, 0u8..6), 0..400),
    ) {
        let (proxy, table) = (Proxy::default(), one_bucket());
        let data = &mut proxy.worker();
        let mut live: Vec<u32> = Vec::new();
        // The sessions that were opened or used, in order; and where one was opened.
        let mut uses: Vec<(u32, bool)> = Vec::new();
        for (number, step) in steps {
            let is_known = live.contains(&number);
            match step {
                0 => {
                    open(&table, data, number, seconds(0));
                    live.retain(|other| *other != number);
                    live.push(number);
                    // If it was known, it was used as well.
                    uses.push((number, true));
                }
                1 => {
                    table.unbind(data, &key(number));
                    live.retain(|other| *other != number);
                }
                _ => {
                    prop_assert_eq!(is_live(table.look(data, &key(number), seconds(0))), is_known);
                    if is_known {
                        uses.push((number, false));
                    }
                }
            }
            prop_assert!(live.len() <= 17);
            for left in table.take_left().iter().filter(|left| left.why == Why::GaveWay) {
                prop_assert_eq!(live.len(), 17);
                let gone = live.iter().position(|number| key(*number) == left.key).unwrap();
                let gone = live.remove(gone);
                let last = uses.iter().rposition(|(number, _)| *number == gone).unwrap();
                let opening = uses[..=last].iter().rposition(|(_, opened)| *opened).unwrap();
                let mut others: Vec<_> = uses[opening + 1..].iter().map(|(other, _)| *other).collect();
                others.retain(|other| *other != gone);
                others.sort_unstable();
                others.dedup();
                prop_assert!(others.len() >= 9, "{gone} gave way after {others:?}");
            }
        }
    }
}
