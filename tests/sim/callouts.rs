//! What exchanges wait for: answers of the store that come late, twice, in another order, or never.

use std::time::Duration;

use kit::model::{Engine, Step};
use serde_json::json;

use crate::by_hand::{
    ask, counter, fault, headers, initialize, one_call, pin, pin_on, response, sim, status,
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
        ("another pod", 503),
        ("nobody any more", 503),
        ("something that is no pin", 503),
        ("a store that fails", 503),
    ] {
        let mut sim = sim(|plugin| plugin["workload"]["replicas"] = json!(1));
        let (stream, _) = initialize(&mut sim, "a");
        let (call, _) = one_call(&mut sim);
        sim.respond_to_call(call, response(r#"{"SET":null}"#));
        assert_eq!(sim.step(stream), Step::Wait, "{owner}");
        let (call, command) = one_call(&mut sim);
        assert_eq!(command[0], "GET");
        let found = match owner {
            "this pod" => pin_on(&sim, 0),
            "another pod" => pin_on(&sim, 1),
            "nobody any more" => response(r#"{"GET":null}"#),
            "something that is no pin" => response(r#"{"GET":"x"}"#),
            _ => fault(),
        };
        sim.respond_to_call(call, found);
        let step = sim.step(stream);
        assert_eq!(status(&step), wanted, "{owner}");
        if let Step::Reply(_, headers, _) = step {
            assert!(!headers.iter().any(|(name, _)| name == "mcp-session-id"));
        }
    }
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
