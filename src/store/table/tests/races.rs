//! What one worker does between any two steps of another.

use std::cell::Cell;

use super::*;

/// Runs `step` before the call with this number.
struct Between<'a, F: FnMut()> {
    worker: Worker<'a>,
    at: usize,
    calls: Cell<usize>,
    step: RefCell<F>,
}

impl<'a, F: FnMut()> Between<'a, F> {
    fn new(worker: Worker<'a>, at: usize, step: F) -> Self {
        Self { worker, at, calls: Cell::new(0), step: RefCell::new(step) }
    }

    fn call(&self) {
        if self.calls.replace(self.calls.get() + 1) == self.at {
            (self.step.borrow_mut())();
        }
    }

    /// The step had its turn.
    fn is_done(&self) -> bool {
        self.calls.get() > self.at
    }
}

impl<F: FnMut()> SharedData for Between<'_, F> {
    fn shared(&self, name: &str) -> Option<(Vec<u8>, Version)> {
        self.call();
        self.worker.shared(name)
    }

    fn replace(
        &mut self,
        name: &str,
        value: &[u8],
        expected: Option<Version>,
    ) -> Result<(), Overtaken> {
        self.call();
        self.worker.replace(name, value, expected)
    }
}

/// A table of each size in use, the newest last, and a session in the first.
fn sizes() -> (Proxy, [Table; 3]) {
    let (proxy, tables) = (Proxy::default(), [table(800), table(8000), table(80)]);
    let data = &mut proxy.worker();
    tables[0].open(data);
    tables[0].bind(data, key(1), pin(1, seconds(0)), seconds(0));
    // Neighbours, so that some buckets have spilled.
    for number in 100..200 {
        tables[2].bind(data, key(number), pin(0, seconds(0)), seconds(0));
    }
    tables[1].open(data);
    tables[2].open(data);
    (proxy, tables)
}

fn assert_gone(proxy: &Proxy, tables: &[Table; 3], about: &str) {
    for table in tables {
        let found = table.look(&mut proxy.worker(), &key(1), seconds(0));
        assert_eq!(found, Lookup::Unknown, "{about}");
    }
}

/// In each of its steps a look-up meets `other`; the session must be over then.
fn over_after(about: &str, looker: usize, other: impl Fn(&mut Worker, &[Table; 3])) {
    for at in 0.. {
        let (proxy, tables) = sizes();
        let mut worker = proxy.worker();
        let step = || other(&mut worker, &tables);
        let mut data = Between::new(proxy.worker(), at, step);
        tables[looker].look(&mut data, &key(1), seconds(0));
        if !data.is_done() {
            assert!(looker == 0 || at > 5, "{about}: the look-up has steps");
            return;
        }
        assert_gone(&proxy, &tables, &format!("{about}, before call {at}"));
    }
}

#[test]
fn a_session_that_ends_while_it_is_carried_is_over() {
    for looker in 0..3 {
        for ender in 0..3 {
            over_after(&format!("{looker} looks, {ender} ends it"), looker, |data, tables| {
                tables[ender].unbind(data, &key(1));
            });
        }
    }
}

/// Another worker carries it, to the same size or another, and it ends there.
#[test]
fn a_session_that_two_workers_carry_is_over_once_it_ended() {
    for looker in 0..3 {
        for other in 0..3 {
            for ender in 0..3 {
                let about = format!("{looker} and {other} look, {ender} ends it");
                over_after(&about, looker, |data, tables| {
                    tables[other].look(data, &key(1), seconds(0));
                    tables[ender].unbind(data, &key(1));
                });
            }
        }
    }
}

/// Two look-ups of the same size and an end, each within the other.
#[test]
fn an_end_within_a_look_up_within_another_is_the_end() {
    for (outer_at, inner_at) in (0..30).flat_map(|outer| (0..30).map(move |inner| (outer, inner))) {
        let (proxy, tables) = sizes();
        let mut ending = proxy.worker();
        let end = || tables[1].unbind(&mut ending, &key(1));
        let mut inner = Between::new(proxy.worker(), inner_at, end);
        let look = || {
            tables[1].look(&mut inner, &key(1), seconds(0));
        };
        let mut outer = Between::new(proxy.worker(), outer_at, look);
        tables[1].look(&mut outer, &key(1), seconds(0));
        if inner.is_done() {
            assert_gone(&proxy, &tables, &format!("{outer_at}, {inner_at}"));
        }
    }
}

#[test]
fn a_look_up_while_a_session_ends_does_not_keep_it() {
    for looker in 0..3 {
        for ender in 0..3 {
            for at in 0.. {
                let (proxy, tables) = sizes();
                let mut worker = proxy.worker();
                let look = || {
                    tables[looker].look(&mut worker, &key(1), seconds(0));
                };
                let mut data = Between::new(proxy.worker(), at, look);
                tables[ender].unbind(&mut data, &key(1));
                let is_done = data.is_done();
                assert_gone(&proxy, &tables, &format!("{ender} ends, {looker} looks at {at}"));
                if !is_done {
                    break;
                }
            }
        }
    }
}

#[test]
fn a_session_that_others_carry_and_use_is_found_all_the_same() {
    for looker in 0..3 {
        for other in 0..3 {
            for at in 0.. {
                let (proxy, tables) = sizes();
                let mut worker = proxy.worker();
                let look = || {
                    tables[other].look(&mut worker, &key(1), seconds(50));
                };
                let mut data = Between::new(proxy.worker(), at, look);
                let found = tables[looker].look(&mut data, &key(1), seconds(50));
                assert!(is_live(found), "{looker} and {other}, before call {at}");
                if !data.is_done() {
                    break;
                }
            }
        }
    }
}
