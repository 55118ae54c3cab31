//! Hooks that Envoy calls from within calls of the module, up to the end of the stream.

use kit::model::{Engine, Step};
use podpin::host::{CallResponse, Cause};

use crate::bench::{Bench, POD, RESULT, pairs, request};
use crate::envoy::stream::LocalReply;

/// A test of each fact, with streams that are let go at once and later.
macro_rules! facts {
    ($($name:ident;)*) => {
        mod at_once { $( #[test] fn $name() { super::$name::<39>(); } )* }
        mod later { $( #[test] fn $name() { super::$name::<40>(); } )* }
    };
}

facts! {
    the_body_of_a_held_request_comes_within_the_call_that_lets_it_go;
    a_held_response_ends_within_the_call_that_lets_it_go;
    a_request_that_goes_nowhere_is_answered_within_the_call_that_lets_it_go;
    a_panic_within_two_hooks_ends_the_stream_within_a_third;
    a_stream_ends_within_the_call_that_answers_it;
    a_callout_that_cannot_be_sent_ends_a_stream_that_waits;
    a_callout_may_be_answered_before_it_is_said_to_be_under_way;
    the_main_thread_may_be_faster_than_a_worker;
    a_stream_that_ends_while_it_waits_is_told_nothing_more;
    a_stream_that_ends_while_its_response_is_held_is_told_nothing_more;
}

fn the_body_of_a_held_request_comes_within_the_call_that_lets_it_go<const MINOR: u32>() {
    let mut bench = Bench::<MINOR>::start();
    let stream = bench.held();
    *stream.waiting.borrow_mut() = Some((br#"{"method":"ping"}"#.to_vec(), true));
    stream.deepest.set(0);
    bench.answer();
    assert_eq!(bench.envoy.step(stream.number), Step::Go);
    assert_eq!(stream.deepest.get(), 2, "one hook within another");
    assert!(stream.waiting.borrow().is_none());
    let head = pairs(&[(":status", "200")]);
    assert_eq!(bench.envoy.response(stream.number, head, POD), Step::Go);
    bench.envoy.end(stream.number);
    assert_eq!(bench.panicked(), 0);
}

fn a_held_response_ends_within_the_call_that_lets_it_go<const MINOR: u32>() {
    let mut bench = Bench::<MINOR>::start();
    let stream = bench.opening("a");
    *stream.waiting.borrow_mut() = Some((RESULT.to_vec(), true));
    bench.answer();
    assert!(stream.is_over());
    assert_eq!(*stream.ahead.borrow(), RESULT);
    assert_eq!(stream.is_gone(), MINOR == 39);
    let (stream, _) = bench.ask(request(&[("mcp-session-id", "a")]));
    bench.answer();
    assert_eq!(bench.envoy.step(stream.number), Step::Go, "the session is bound");
    assert_eq!(bench.panicked(), 0);
}

/// Envoy's router may find nobody to send it to, and so the whole response passes within that call.
fn a_request_that_goes_nowhere_is_answered_within_the_call_that_lets_it_go<const MINOR: u32>() {
    let mut bench = Bench::<MINOR>::start();
    let stream = bench.held();
    *stream.fails.borrow_mut() = Some(refused());
    bench.answer();
    assert!(stream.is_over());
    assert_eq!(stream.is_gone(), MINOR == 39);
    let record = bench.envoy.record(stream.number);
    assert_eq!(record.response[0], (":status".to_owned(), b"404".to_vec()));
    assert!(String::from_utf8_lossy(&record.body).contains("Session not found"));
    assert_eq!(bench.panicked(), 0);
}

/// Three hooks within each other, the innermost of which is the stream's last.
fn a_panic_within_two_hooks_ends_the_stream_within_a_third<const MINOR: u32>() {
    let mut bench = Bench::<MINOR>::start();
    let stream = bench.held_with(&[("x-trip", "response_headers")]);
    *stream.fails.borrow_mut() = Some(refused());
    stream.deepest.set(0);
    bench.answer();
    assert_eq!(stream.deepest.get(), 3);
    assert_eq!(stream.is_gone(), MINOR == 39);
    let step = bench.envoy.step(stream.number);
    assert!(matches!(step, Step::Reply(503, ..)), "{step:?}");
    assert_eq!(bench.panicked(), 1);
    bench.open("after");
}

fn refused() -> LocalReply {
    let headers = pairs(&[(":status", "503"), ("content-length", "7")]);
    LocalReply { headers, cause: Cause::Unreachable }
}

fn a_stream_ends_within_the_call_that_answers_it<const MINOR: u32>() {
    let mut bench = Bench::<MINOR>::start();
    let (stream, step) = bench.ask(request(&[("mcp-session-id", "nobodys")]));
    assert_eq!(step, Step::Wait);
    bench.answer();
    let step = bench.envoy.step(stream.number);
    assert!(matches!(step, Step::Reply(404, ..)), "{step:?}");
    assert!(stream.is_over());
    assert_eq!(stream.is_gone(), MINOR == 39);
    assert_eq!(bench.panicked(), 0);
}

fn a_callout_that_cannot_be_sent_ends_a_stream_that_waits<const MINOR: u32>() {
    let mut bench = Bench::<MINOR>::start();
    bench.envoy.config.proxy.lock().unwrap().refuses_calls = true;
    let (stream, step) = bench.ask(request(&[("mcp-session-id", "a")]));
    assert!(matches!(step, Step::Reply(503, ..)), "{step:?}");
    assert!(stream.is_over());
    assert_eq!((bench.counted("store_failed"), bench.panicked()), (1, 0));
}

fn found_nothing() -> CallResponse {
    CallResponse { status: 200, is_from_server: true, body: br#"{"GETEX":null}"#.to_vec() }
}

fn a_callout_may_be_answered_before_it_is_said_to_be_under_way<const MINOR: u32>() {
    let mut bench = Bench::<MINOR>::start();
    *bench.envoy.config.at_once.lock().unwrap() = Some(found_nothing());
    let (stream, step) = bench.ask(request(&[("mcp-session-id", "a")]));
    assert!(matches!(step, Step::Reply(404, ..)), "{step:?}");
    assert!(stream.is_over());
    assert_eq!((bench.counted("unknown"), bench.panicked()), (1, 0));
}

/// The answer is there before the hook has returned that asked for it.
fn the_main_thread_may_be_faster_than_a_worker<const MINOR: u32>() {
    let mut bench = Bench::<MINOR>::start();
    *bench.envoy.config.at_once.lock().unwrap() = Some(found_nothing());
    bench.envoy.config.is_quick.store(true, std::sync::atomic::Ordering::SeqCst);
    let (stream, step) = bench.ask(request(&[("mcp-session-id", "a")]));
    assert!(matches!(step, Step::Reply(404, ..)), "{step:?}");
    assert!(stream.is_over());
    assert_eq!((bench.counted("unknown"), bench.panicked()), (1, 0));
}

fn a_stream_that_ends_while_it_waits_is_told_nothing_more<const MINOR: u32>() {
    let mut bench = Bench::<MINOR>::start();
    for ends_after_answer in [false, true] {
        let stream = bench.held();
        if ends_after_answer {
            // What it waited for is on its way to it.
            let (call, callout) = bench.envoy.calls().remove(0);
            let now = bench.envoy.proxy().milliseconds;
            let response = bench.redis.response(&callout, now);
            crate::envoy::config::on_main(|| {
                bench.envoy.config.callout_done(call.into(), &response);
            });
        }
        bench.envoy.end(stream.number);
        bench.answer();
        assert!(stream.is_over());
        assert_eq!(bench.envoy.step(stream.number), Step::Wait, "nothing came of it");
    }
    bench.open("after");
    assert_eq!(bench.panicked(), 0);
}

fn a_stream_that_ends_while_its_response_is_held_is_told_nothing_more<const MINOR: u32>() {
    let mut bench = Bench::<MINOR>::start();
    let stream = bench.opening("a");
    bench.envoy.end(stream.number);
    bench.answer();
    assert!(stream.is_over());
    bench.open("b");
    assert_eq!(bench.panicked(), 0);
}
