//! A panic in a hook of a stream, which the request's header `x-trip` asks for.

use kit::model::{Engine, Step};

use crate::bench::{Bench, POD, RESULT, pairs, request};

/// The exchange of a request that trips in one hook: what the client gets, and whether it is broken off.
fn tripped<const MINOR: u32>(bench: &mut Bench<MINOR>, hook: &str) -> (Option<u16>, bool) {
    let (stream, mut step) = bench.ask(request(&[("x-trip", hook)]));
    let number = stream.number;
    if step == Step::Go {
        step = bench.envoy.request_body(number, br#"{"method":"ping"}"#, true);
    }
    if step == Step::Go {
        step = bench.envoy.response(number, pairs(&[(":status", "200")]), POD);
    }
    if step == Step::Go {
        step = bench.envoy.response_body(number, RESULT, true);
    }
    bench.envoy.end(number);
    let status = match step {
        Step::Reply(status, ..) => Some(status),
        Step::Go => Some(200),
        Step::Wait => None,
    };
    (status, bench.envoy.record(number).broken)
}

fn in_each_hook<const MINOR: u32>() {
    let mut bench = Bench::<MINOR>::start();
    let mut panics = 0;
    for (hook, wanted) in [
        ("request_headers", (Some(503), false)),
        ("request_body", (Some(503), false)),
        ("response_headers", (Some(503), false)),
        ("response_body", (None, true)),
        ("stream_complete", (Some(200), false)),
    ] {
        assert_eq!(tripped(&mut bench, hook), wanted, "{hook}");
        panics += 1;
        assert_eq!(bench.panicked(), panics, "{hook}");
        assert_eq!(tripped(&mut bench, "none"), (Some(200), false), "after {hook}");
    }
    bench.open("after");
}

#[test]
fn a_panic_fails_its_exchange_alone_where_streams_go_at_once() {
    in_each_hook::<39>();
}

#[test]
fn a_panic_fails_its_exchange_alone_where_streams_go_later() {
    in_each_hook::<40>();
}

/// It has waited, and its end comes within the call that answers it.
fn when_woken<const MINOR: u32>() {
    let mut bench = Bench::<MINOR>::start();
    let headers = request(&[("mcp-session-id", "a"), ("x-trip", "scheduled")]);
    let (stream, step) = bench.ask(headers);
    assert_eq!(step, Step::Wait);
    bench.answer();
    let step = bench.envoy.step(stream.number);
    assert!(matches!(step, Step::Reply(503, ..)), "{step:?}");
    assert!(stream.is_over());
    assert_eq!(bench.panicked(), 1);
}

#[test]
fn a_panic_when_a_stream_is_woken_ends_it() {
    when_woken::<39>();
    when_woken::<40>();
}
