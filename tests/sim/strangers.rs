//! What the store is asked for those whom a session does not belong to.

use std::time::Duration;

use kit::mini_redis::percent_decoded;
use kit::model::{Engine, Step};
use serde_json::json;

use crate::by_hand::{command, headers, response, sim, status, store_calls};
use simulated::Sim;

fn bound() -> Sim {
    sim(|plugin| plugin["session"] = json!({"bind_to": [{"header": "x-user"}]}))
}

fn ask(sim: &mut Sim, user: &str, id: &str) -> (u32, Step) {
    let request =
        [(":method", "POST"), (":path", "/mcp"), ("mcp-session-id", id), ("x-user", user)];
    sim.request(headers(&request))
}

/// A session of alice's that this proxy knows, as it was written down.
fn opened(sim: &mut Sim, id: &str) -> String {
    let request = headers(&[(":method", "POST"), (":path", "/mcp"), ("x-user", "alice")]);
    let (stream, step) = sim.request(request);
    assert_eq!(step, Step::Go);
    assert_eq!(sim.request_body(stream, br#"{"method":"initialize"}"#, true), Step::Go);
    let answer = headers(&[(":status", "200"), ("mcp-session-id", id)]);
    assert_eq!(sim.response_head(stream, answer, "127.0.1.1:8080", false), Step::Wait);
    let calls = store_calls(sim);
    let record = percent_decoded(&command(&calls[0].1)[2]);
    sim.respond_to_call(calls[0].0, response(r#"{"SET":[true,"OK"]}"#));
    assert_eq!(sim.step(stream), Step::Go);
    sim.end(stream);
    record
}

/// What a request of bob's makes this proxy ask the store. Whatever comes of it, he is told 404.
fn asked(sim: &mut Sim, id: &str, record: Option<&str>) -> Vec<Vec<String>> {
    let (stream, mut step) = ask(sim, "bob", id);
    let calls = store_calls(sim);
    for (call, callout) in &calls {
        let name = command(callout)[0].clone();
        sim.respond_to_call(*call, response(&json!({name: record}).to_string()));
        step = sim.step(stream);
    }
    assert_eq!(status(&step), 404);
    calls.iter().map(|(_, callout)| command(callout)).collect()
}

#[test]
fn a_stranger_makes_the_store_be_asked_as_often_as_who_invents_an_id() {
    let mut opener = bound();
    let record = opened(&mut opener, "alices");
    // By the proxy that knows the session, and by another.
    for mut sim in [opener, bound()] {
        for half_second in 0..8 {
            let alices = asked(&mut sim, "alices", Some(&record)).len();
            let invented = asked(&mut sim, "invented", None).len();
            assert_eq!(alices, invented, "after {half_second} half seconds");
            assert_eq!(alices, 1 - half_second % 2, "once a second");
            sim.advance(Duration::from_millis(500));
            drop(store_calls(&mut sim));
        }
    }
}

#[test]
fn a_stranger_does_not_use_the_session() {
    let mut sim = bound();
    let record = opened(&mut sim, "alices");
    // Up to when it has idled out.
    for _ in 0..119 {
        sim.advance(Duration::from_secs(60));
        let asked = asked(&mut sim, "alices", Some(&record));
        assert!(asked.iter().all(|command| command[0] == "GET"), "{asked:?}");
    }
    sim.advance(Duration::from_secs(60));
    let (stream, _) = ask(&mut sim, "alice", "alices");
    let calls = store_calls(&mut sim);
    assert_eq!(calls.len(), 1, "it is not known here any more");
    sim.respond_to_call(calls[0].0, response(r#"{"GET":null}"#));
    assert_eq!(status(&sim.step(stream)), 404);
}

#[test]
fn who_a_session_belongs_to_uses_it_though_another_asked_first() {
    let mut sim = bound();
    let record = opened(&mut sim, "alices");
    // Another proxy, which does not know it.
    let mut other = bound();
    let ((bob, _), (alice, _)) =
        (ask(&mut other, "bob", "alices"), ask(&mut other, "alice", "alices"));
    let calls = store_calls(&mut other);
    assert_eq!(calls.len(), 1);
    // A record tells when the session was opened, not when it was used last.
    other.advance(Duration::from_secs(3 * 3600));
    other.respond_to_call(calls[0].0, response(&json!({"GET": record}).to_string()));
    assert_eq!((status(&other.step(bob)), other.step(alice)), (404, Step::Go));
    let kept = store_calls(&mut other);
    assert_eq!(command(&kept[0].1)[0], "GETEX", "alice's is a use");
    assert_eq!(ask(&mut other, "alice", "alices").1, Step::Go);
    assert_eq!(store_calls(&mut other).len(), 0, "it is known here by now");
}
