//! What exchanges wait for: answers of the store that come late, twice, in another order, or never.

use std::time::Duration;

use kit::model::{Engine, Step};
use serde_json::json;

use crate::by_hand::{
    answer, ask, command, counter, end_at, fault, headers, initialize, one_call, open, pin, pin_of,
    pin_on, response, sim, status, store_calls, value,
};

#[test]
fn requests_that_miss_together_wait_for_one_answer() {
    let mut sim = sim(|_| {});
    let waiting: Vec<_> = (0..5).map(|_| ask(&mut sim, "a").0).collect();
    let (other, _) = ask(&mut sim, "b");
    let calls = sim.calls();
    assert_eq!(calls.len(), 2, "one for each session");
    sim.respond_to_call(calls[1].0, response(r#"{"GETEX":null}"#));
    assert_eq!(status(&sim.step(other)), 404, "in whatever order they come");
    assert!(waiting.iter().all(|stream| sim.step(*stream) == Step::Wait));
    let pin = pin(&sim);
    sim.respond_to_call(calls[0].0, pin);
    for stream in waiting {
        assert_eq!(sim.step(stream), Step::Go);
        assert_eq!(sim.record(stream).filter_state[&kit::note("pod")], "myserver-2");
    }
    assert_eq!(ask(&mut sim, "a").1, Step::Go, "now it is known here");
    assert!(sim.calls().is_empty());
}

/// A proxy shows the filter what comes behind a piece that waits, and lets both go if that does not wait.
#[test]
fn nothing_of_a_stream_goes_on_before_its_session_is_written_down() {
    let mut sim = sim(|_| {});
    let (stream, step) = sim.request(headers(&[(":method", "GET"), (":path", "/sse")]));
    assert_eq!(step, Step::Go);
    let head = headers(&[(":status", "200"), ("content-type", "text/event-stream")]);
    assert_eq!(sim.response(stream, head, "127.0.1.1:8080"), Step::Go);
    let endpoint = b"event: endpoint\ndata: /messages/?session_id=a\n\n";
    assert_eq!(sim.response_body(stream, endpoint, false), Step::Wait);
    assert_eq!(sim.response_body(stream, b": ping\n\n", false), Step::Wait);
    let (call, _) = one_call(&mut sim);
    sim.respond_to_call(call, response(r#"{"SET":[true,"OK"]}"#));
    assert_eq!(sim.step(stream), Step::Go);
    assert_eq!(sim.response_body(stream, b": ping\n\n", false), Step::Go);
}

#[test]
fn an_answer_that_comes_twice_counts_once() {
    let mut sim = sim(|_| {});
    let (stream, _) = ask(&mut sim, "a");
    let (call, _) = one_call(&mut sim);
    let pin = pin(&sim);
    sim.respond_to_call(call, pin.clone());
    assert_eq!(sim.step(stream), Step::Go);
    sim.respond_to_call(call, pin);
    sim.respond_to_call(call, fault());
    sim.respond_to_call(999, fault());
    assert_eq!(sim.step(stream), Step::Go);
    assert_eq!((counter(&sim, "steered"), counter(&sim, "store_faults")), (1, 0));
}

#[test]
fn an_answer_that_comes_after_its_client_left_is_not_lost() {
    let mut sim = sim(|_| {});
    let ((gone, _), (stays, _)) = (ask(&mut sim, "a"), ask(&mut sim, "a"));
    let (call, _) = one_call(&mut sim);
    sim.end(gone);
    let pin = pin(&sim);
    sim.respond_to_call(call, pin);
    assert_eq!(sim.step(gone), Step::Wait, "nobody is woken who is gone");
    assert_eq!(sim.step(stays), Step::Go);
    assert_eq!(ask(&mut sim, "a").1, Step::Go);
}

#[test]
fn an_answer_that_never_comes_holds_up_its_session_only() {
    let mut sim = sim(|_| {});
    let (stream, step) = ask(&mut sim, "a");
    assert_eq!(step, Step::Wait);
    assert_eq!(initialize(&mut sim, "b").1, Step::Wait);
    let calls = sim.calls();
    sim.respond_to_call(calls[1].0, response(r#"{"SET":[true,"OK"]}"#));
    assert_eq!(ask(&mut sim, "b").1, Step::Go);
    sim.end(stream);
}

/// A time-out of Envoy's own, say.
#[test]
fn a_request_that_envoy_answers_meanwhile_is_left_alone() {
    let mut sim = sim(|_| {});
    let (stream, _) = ask(&mut sim, "a");
    let (call, _) = one_call(&mut sim);
    let request = sim.record(stream).request;
    sim.response(stream, headers(&[(":status", "408")]), "");
    let pin = pin(&sim);
    sim.respond_to_call(call, pin);
    assert_eq!(sim.record(stream).request, request, "too late to steer");
}

#[test]
fn a_session_whose_client_left_while_it_was_written_down_is_bound() {
    let mut sim = sim(|_| {});
    let (stream, step) = initialize(&mut sim, "a");
    assert_eq!(step, Step::Wait);
    let (call, command) = one_call(&mut sim);
    assert_eq!(
        (command[0].as_str(), &command[3..]),
        ("SET", &["EX", "7200", "NX"].map(String::from)[..])
    );
    sim.end(stream);
    sim.respond_to_call(call, response(r#"{"SET":[true,"OK"]}"#));
    assert_eq!(ask(&mut sim, "a").1, Step::Go);
}

#[test]
fn an_id_that_is_taken_is_compared_with_its_owner() {
    for (owner, wanted) in [
        ("this pod", 200),
        ("a session that has ended", 200),
        ("one of another pod that is too old", 200),
        ("another pod", 503),
        ("nobody any more", 503),
        ("something that is no pin", 503),
        ("a newer release", 503),
        ("a store that fails", 503),
    ] {
        let mut sim = sim(|plugin| plugin["workload"]["replicas"] = json!(1));
        let (stream, _) = initialize(&mut sim, "a");
        let claim = answer(&mut sim, r#"{"SET":null}"#);
        assert_eq!(sim.step(stream), Step::Wait, "{owner}");
        let (call, command) = one_call(&mut sim);
        assert_eq!((command[0].as_str(), &command[1]), ("GET", &claim[1]));
        let now = sim.proxy().milliseconds;
        let found = match owner {
            "this pod" => pin_on(&sim, 0),
            "a session that has ended" => value(&end_at(now)),
            "one of another pod that is too old" => value(&pin_of(1, now - 24 * 3_600_000)),
            "another pod" => pin_on(&sim, 1),
            "nobody any more" => response(r#"{"GET":null}"#),
            "something that is no pin" => response(r#"{"GET":"x"}"#),
            "a newer release" => value(&json!({"v": 5, "cluster": "a"})),
            _ => fault(),
        };
        sim.respond_to_call(call, found);
        if wanted == 200 {
            assert_eq!(sim.step(stream), Step::Wait, "{owner}: until it is in its place");
            let replace = answer(&mut sim, r#"{"SET":[true,"OK"]}"#);
            assert_eq!(replace[..5], claim[..5], "{owner}");
            assert_eq!((claim[5].as_str(), replace[5].as_str()), ("NX", "XX"));
        }
        let step = sim.step(stream);
        assert_eq!(status(&step), wanted, "{owner}");
        assert!(store_calls(&mut sim).is_empty());
        if let Step::Reply(_, headers, _) = step {
            assert!(!headers.iter().any(|(name, _)| name == "mcp-session-id"));
        }
    }
}

/// What the store does not acknowledge it may have lost.
#[test]
fn a_session_whose_id_is_given_out_again_is_bound_once_the_store_says_so() {
    for (reply, wanted) in [
        (response(r#"{"SET":[true,"OK"]}"#), 200),
        (response(r#"{"SET":null}"#), 503),
        (fault(), 503),
    ] {
        let mut sim = sim(|plugin| plugin["workload"]["replicas"] = json!(1));
        let (stream, _) = initialize(&mut sim, "a");
        answer(&mut sim, r#"{"SET":null}"#);
        let (call, _) = one_call(&mut sim);
        let old = pin_on(&sim, 0);
        sim.respond_to_call(call, old);
        let (call, _) = one_call(&mut sim);
        sim.respond_to_call(call, reply);
        assert_eq!(status(&sim.step(stream)), wanted);
    }
}

/// It may be a live session of an Envoy that is newer than this one.
#[test]
fn a_record_of_a_newer_version_is_a_failure_and_stays_as_it_is() {
    let mut sim = sim(|_| {});
    for number in 0..5 {
        let (stream, _) = ask(&mut sim, &number.to_string());
        let (call, _) = one_call(&mut sim);
        sim.respond_to_call(call, value(&json!({"v": 5, "cluster": "a"})));
        let step = sim.step(stream);
        assert_eq!(status(&step), 503);
        let Step::Reply(_, headers, _) = step else { panic!("{step:?}") };
        assert!(headers.contains(&("retry-after".to_owned(), b"1".to_vec())));
        assert!(sim.calls().is_empty());
    }
    assert_eq!((counter(&sim, "store_failed"), counter(&sim, "store_faults")), (5, 5));
    assert_eq!(counter(&sim, "store_skipped"), 0, "the store itself is well");
}

/// Invented ids, say.
#[test]
fn look_ups_that_fail_do_not_keep_sessions_from_opening() {
    let mut sim = sim(|_| {});
    for number in 0..10 {
        ask(&mut sim, &number.to_string());
        for (call, _) in sim.calls() {
            sim.respond_to_call(call, fault());
        }
    }
    assert_eq!(counter(&sim, "store_skipped"), 7, "look-ups pause");
    open(&mut sim, "a");
    for number in 0..3 {
        initialize(&mut sim, &format!("refused-{number}"));
        let (call, _) = one_call(&mut sim);
        sim.respond_to_call(call, fault());
    }
    assert_eq!(status(&initialize(&mut sim, "b").1), 503, "now bindings pause as well");
    assert!(store_calls(&mut sim).is_empty());
}

#[test]
fn not_too_many_sessions_are_looked_up_at_a_time() {
    let mut sim = sim(|_| {});
    for number in 0..1000 {
        ask(&mut sim, &number.to_string());
    }
    let calls = sim.calls();
    assert!((32..=256).contains(&calls.len()), "{} at a time", calls.len());
    assert_eq!(counter(&sim, "store_skipped"), 1000 - calls.len() as u64);
    assert_eq!(status(&ask(&mut sim, "one-more").1), 503);
    assert_eq!(ask(&mut sim, "0").1, Step::Wait, "what is asked already costs nothing");
    open(&mut sim, "new");
    calls.iter().for_each(|(call, _)| sim.respond_to_call(*call, response(r#"{"GETEX":null}"#)));
    assert_eq!(ask(&mut sim, "one-more").1, Step::Wait);
}

#[test]
fn what_the_store_did_not_know_it_is_not_asked_again_for_a_second() {
    let mut sim = sim(|_| {});
    let now = sim.proxy().milliseconds;
    let unknown =
        [response(r#"{"GETEX":null}"#), response(r#"{"GETEX":"no pin"}"#), value(&end_at(now))];
    for (number, reply) in unknown.into_iter().enumerate() {
        let id = number.to_string();
        for _ in 0..2 {
            let (stream, _) = ask(&mut sim, &id);
            let (call, _) = one_call(&mut sim);
            sim.respond_to_call(call, reply.clone());
            assert_eq!(status(&sim.step(stream)), 404);
            for _ in 0..5 {
                assert_eq!(status(&ask(&mut sim, &id).1), 404, "at once");
            }
            assert!(sim.calls().is_empty());
            sim.advance(Duration::from_secs(1));
        }
    }
    ask(&mut sim, "opened");
    answer(&mut sim, r#"{"GETEX":null}"#);
    let (stream, _) = initialize(&mut sim, "opened");
    ask(&mut sim, "opened");
    let calls = sim.calls();
    let commands: Vec<_> = calls.iter().map(|(_, callout)| command(callout)[0].clone()).collect();
    assert_eq!(commands, ["SET", "GETEX"], "it may be there by now");
    sim.respond_to_call(calls[0].0, response(r#"{"SET":[true,"OK"]}"#));
    assert_eq!(sim.step(stream), Step::Go);
    assert_eq!(ask(&mut sim, "opened").1, Step::Go);
}

#[test]
fn a_store_that_keeps_failing_is_asked_once_a_second() {
    let mut sim = sim(|_| {});
    for number in 0..3 {
        let (stream, _) = ask(&mut sim, &number.to_string());
        let (call, _) = one_call(&mut sim);
        sim.respond_to_call(call, fault());
        assert_eq!(status(&sim.step(stream)), 503);
    }
    for second in 0..5 {
        assert_eq!(status(&ask(&mut sim, "at-once").1), 503, "{second}");
        assert!(sim.calls().is_empty());
        sim.advance(Duration::from_secs(1));
        let (stream, step) = ask(&mut sim, "one-try");
        assert_eq!(step, Step::Wait);
        let (call, _) = one_call(&mut sim);
        assert_eq!(status(&ask(&mut sim, "beside-it").1), 503);
        assert!(sim.calls().is_empty());
        sim.respond_to_call(call, fault());
        assert_eq!(status(&sim.step(stream)), 503);
    }
    sim.advance(Duration::from_secs(1));
    ask(&mut sim, "another-try");
    let (call, _) = one_call(&mut sim);
    sim.respond_to_call(call, response(r#"{"GETEX":null}"#));
    assert_eq!(ask(&mut sim, "all-is-well").1, Step::Wait);
    assert_eq!((counter(&sim, "store_faults"), counter(&sim, "store_skipped")), (8, 10));
    assert_eq!(counter(&sim, "store_asked"), 10);
}

#[test]
fn a_proxy_that_cannot_call_out_fails_at_once() {
    let mut sim = sim(|_| {});
    sim.proxy_mut().refuses_calls = true;
    assert_eq!(status(&ask(&mut sim, "a").1), 503);
    let (_, step) = initialize(&mut sim, "b");
    assert_eq!(status(&step), 503);
    assert_eq!(counter(&sim, "store_failed"), 2);
}

#[test]
fn with_on_error_continue_a_session_opens_in_this_proxy_alone() {
    let mut sim = sim(|plugin| plugin["store"]["on_error"] = json!("continue"));
    let (stream, _) = initialize(&mut sim, "a");
    let (call, _) = one_call(&mut sim);
    sim.respond_to_call(call, fault());
    assert_eq!(sim.step(stream), Step::Go);
    assert_eq!(ask(&mut sim, "a").1, Step::Go);
    assert_eq!(counter(&sim, "not_shared"), 1);
    let (stream, _) = ask(&mut sim, "unknown");
    let (call, _) = one_call(&mut sim);
    sim.respond_to_call(call, fault());
    assert_eq!(status(&sim.step(stream)), 503, "what it does not know may exist all the same");
}
