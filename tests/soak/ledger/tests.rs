use super::*;

/// A ledger of one trouble, that began and ended so many seconds ago.
fn ledger(what: What, began: u64, ended: u64) -> Ledger {
    let ledger = Ledger::default();
    let entry = Entry { what, from: ago(began), until: Some(ago(ended)) };
    ledger.0.lock().unwrap().push(entry);
    ledger
}

fn ago(seconds: u64) -> Instant {
    Instant::now() - Duration::from_secs(seconds)
}

const KILLED: What = What::Pod(1, Pod::Killed);
const EMPTIED: What = What::Redis { is_emptied: true };

fn at(pod: usize, envoy: usize, knows: bool) -> Place {
    Place { pod: Some(pod), envoy: Some(envoy), knows }
}

#[test]
fn a_pod_that_died_explains_its_own_sessions_for_good() {
    let ledger = ledger(KILLED, 500, 499);
    assert_eq!(ledger.explain(at(1, 0, true), Loss::Session(ago(501))), Cause::Pod);
    assert_eq!(ledger.explain(at(2, 0, true), Loss::Session(ago(501))), Cause::None);
    assert_eq!(ledger.explain(at(1, 0, true), Loss::Stream(ago(501))), Cause::Pod);
}

#[test]
fn it_explains_those_opened_later_only_until_it_is_found_again() {
    let session = Loss::Session(ago(4));
    assert_eq!(ledger(KILLED, 7, 5).explain(at(1, 0, true), session), Cause::Pod);
    assert_eq!(ledger(KILLED, 17, 15).explain(at(1, 0, true), session), Cause::None);
    let nameless = What::Pod(1, Pod::Nameless);
    assert_eq!(ledger(nameless, 3, 2).explain(at(1, 0, true), session), Cause::Pod);
    assert_eq!(
        ledger(nameless, 17, 15).explain(at(1, 0, true), Loss::Session(ago(20))),
        Cause::None
    );
}

#[test]
fn a_call_is_explained_by_what_was_broken_on_its_way_while_it_was_made() {
    for (what, status, cause) in [
        (KILLED, Some(503), Cause::Pod),
        (KILLED, None, Cause::Pod),
        (KILLED, Some(500), Cause::None),
        (What::Pod(1, Pod::Errors), Some(500), Cause::Pod),
        (What::Pod(1, Pod::Errors), Some(503), Cause::None),
        (What::Pod(1, Pod::Slow), Some(503), Cause::None),
        (What::Pod(0, Pod::Killed), Some(503), Cause::None),
        (What::Envoy(0), None, Cause::Envoy),
        (What::Envoy(0), Some(503), Cause::None),
        (What::Envoy(1), None, Cause::None),
    ] {
        let ledger = ledger(what, 3, 1);
        let loss = Loss::Call(ago(2), status);
        assert_eq!(ledger.explain(at(1, 0, false), loss), cause, "{what:?} and {status:?}");
    }
    let before = ledger(What::Envoy(0), 9, 8);
    assert_eq!(before.explain(at(1, 0, false), Loss::Call(ago(2), None)), Cause::None);
}

#[test]
fn an_envoy_that_died_explains_its_streams_and_no_session() {
    let ledger = ledger(What::Envoy(0), 20, 18);
    assert_eq!(ledger.explain(at(1, 0, false), Loss::Stream(ago(30))), Cause::Envoy);
    assert_eq!(ledger.explain(at(1, 1, false), Loss::Stream(ago(30))), Cause::None);
    assert_eq!(ledger.explain(at(1, 0, false), Loss::Stream(ago(10))), Cause::None);
    assert_eq!(ledger.explain(at(1, 0, false), Loss::Session(ago(30))), Cause::None);
}

#[test]
fn a_store_explains_nothing_that_an_envoy_needs_no_store_for() {
    for (what, cause) in [
        (What::Redis { is_emptied: false }, Cause::Redis),
        (EMPTIED, Cause::Emptied),
        (What::Webdis, Cause::Webdis),
    ] {
        let ledger = ledger(what, 3, 1);
        let call = Loss::Call(ago(2), Some(503));
        assert_eq!(ledger.explain(at(1, 0, false), call), cause);
        assert_eq!(ledger.explain(at(1, 0, true), call), Cause::None);
        assert_eq!(ledger.explain(at(1, 0, false), Loss::Call(ago(2), None)), Cause::None);
    }
}

#[test]
fn lost_data_explains_sessions_until_they_are_written_down_again() {
    let session = Loss::Session(ago(60));
    assert_eq!(ledger(EMPTIED, 9, 8).explain(at(1, 0, false), session), Cause::Emptied);
    assert_eq!(ledger(EMPTIED, 9, 8).explain(at(1, 0, true), session), Cause::None);
    assert_eq!(ledger(EMPTIED, 45, 44).explain(at(1, 0, false), session), Cause::None);
    assert_eq!(ledger(EMPTIED, 9, 8).explain(at(1, 0, false), Loss::Session(ago(5))), Cause::None);
    let kept = What::Redis { is_emptied: false };
    assert_eq!(ledger(kept, 9, 8).explain(at(1, 0, false), session), Cause::None);
}

#[test]
fn what_ends_streams_of_a_pod_is_told_from_what_does_not() {
    assert!(ledger(KILLED, 5, 4).cuts_since(1, ago(6)));
    assert!(!ledger(KILLED, 5, 4).cuts_since(0, ago(6)));
    assert!(ledger(What::Envoy(1), 5, 4).cuts_since(0, ago(6)));
    assert!(!ledger(What::Envoy(1), 5, 4).cuts_since(0, ago(3)));
    assert!(!ledger(What::Webdis, 5, 4).cuts_since(0, ago(6)));
}
