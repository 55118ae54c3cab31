//! What the store is told while nobody waits for it.

use std::collections::BTreeSet;
use std::time::Duration;

use kit::model::{Engine, Step};
use podpin::host::CallResponse;
use serde_json::json;

use crate::by_hand::{
    ask, command, fault, headers, initialize, one_call, open, pin, response, sim, status,
};
use crate::host::Sim;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

/// The commands that were sent, each answered alike.
fn commands(sim: &mut Sim, body: &str) -> Vec<Vec<String>> {
    let calls = sim.calls();
    calls.iter().for_each(|(call, _)| sim.respond_to_call(*call, response(body)));
    calls.iter().map(|(_, callout)| command(callout)).collect()
}

#[test]
fn a_use_is_written_back_every_tenth_of_the_idle_timeout_beside_the_request() {
    let mut sim = sim(|_| {});
    open(&mut sim, "a");
    let mut written = 0;
    for _ in 0..120 {
        sim.advance(MINUTE);
        let (stream, step) = ask(&mut sim, "a");
        assert_eq!(step, Step::Go, "it does not wait");
        sim.end(stream);
        for command in commands(&mut sim, r#"{"EXPIRE":1}"#) {
            assert_eq!((command[0].as_str(), command[2].as_str()), ("EXPIRE", "7200"));
            written += 1;
        }
    }
    assert_eq!(written, 10);
}

#[test]
fn what_the_store_has_lost_is_written_down_again() {
    let mut sim = sim(|_| {});
    initialize(&mut sim, "a");
    let (call, first) = one_call(&mut sim);
    sim.respond_to_call(call, response(r#"{"SET":[true,"OK"]}"#));
    sim.advance(12 * MINUTE);
    ask(&mut sim, "a");
    let (call, _) = one_call(&mut sim);
    sim.respond_to_call(call, response(r#"{"EXPIRE":0}"#));
    let (_, again) = one_call(&mut sim);
    assert_eq!((&again[..2], &again[3..]), (&first[..2], &first[3..]));
}

#[test]
fn what_has_ended_meanwhile_is_not_written_down_again() {
    let mut sim = sim(|_| {});
    open(&mut sim, "a");
    sim.advance(12 * MINUTE);
    let (stream, _) = ask(&mut sim, "a");
    let (call, _) = one_call(&mut sim);
    sim.response(stream, headers(&[(":status", "404")]), "127.0.1.1:8080");
    assert_eq!(commands(&mut sim, r#"{"DEL":0}"#)[0][0], "DEL");
    sim.respond_to_call(call, response(r#"{"EXPIRE":0}"#));
    assert!(sim.calls().is_empty());
}

/// Streams that were opened at the same time do not all ask the store at once.
#[test]
fn open_streams_are_written_back_a_few_at_a_time() {
    let mut sim = sim(|_| {});
    let mut keys = BTreeSet::new();
    for number in 0..1200 {
        let id = number.to_string();
        open(&mut sim, &id);
        assert_eq!(ask(&mut sim, &id).1, Step::Go);
    }
    sim.advance(12 * MINUTE);
    for _ in 0..3 {
        loop {
            let few = commands(&mut sim, r#"{"EXPIRE":1}"#);
            assert!(few.len() <= 32);
            if few.is_empty() {
                break;
            }
            keys.extend(few.into_iter().map(|command| command[1].clone()));
        }
        sim.advance(SECOND);
    }
    assert_eq!(keys.len(), 1200, "three ticks later each was kept");
}

#[test]
fn what_the_store_missed_is_told_once_it_answers_again() {
    let mut sim = sim(|_| {});
    open(&mut sim, "used");
    open(&mut sim, "ended");
    sim.advance(12 * MINUTE);
    assert_eq!(ask(&mut sim, "used").1, Step::Go);
    let (call, expire) = one_call(&mut sim);
    sim.respond_to_call(call, fault());
    let (stream, _) = ask(&mut sim, "ended");
    sim.response(stream, headers(&[(":status", "404")]), "127.0.1.1:8080");
    let calls = sim.calls();
    let delete = calls.iter().map(|(_, callout)| command(callout)).find(|c| c[0] == "DEL");
    calls.iter().for_each(|(call, _)| sim.respond_to_call(*call, fault()));
    sim.proxy_mut().refuses_calls = true;
    for _ in 0..100 {
        sim.advance(SECOND);
    }
    sim.proxy_mut().refuses_calls = false;
    let mut told = Vec::new();
    for _ in 0..3 {
        sim.advance(SECOND);
        told.extend(commands(&mut sim, r#"{"ANY":1}"#));
    }
    told.sort();
    assert_eq!(told, [delete.expect("its end is told"), expire], "each once");
}

/// An ACL without EXPIRE: Redis says so, or webdis answers 403.
#[test]
fn a_command_that_is_refused_holds_up_no_other() {
    let refused = [
        response(r#"{"EXPIRE":[false,"NOPERM no"]}"#),
        CallResponse { status: 403, body: Vec::new() },
    ];
    for refused in refused {
        let mut sim = sim(|_| {});
        for number in 0..100 {
            open(&mut sim, &number.to_string());
        }
        sim.advance(12 * MINUTE);
        for number in 0..100 {
            let (stream, step) = ask(&mut sim, &number.to_string());
            assert_eq!(step, Step::Go);
            sim.end(stream);
        }
        let (ended, _) = ask(&mut sim, "0");
        sim.response(ended, headers(&[(":status", "404")]), "127.0.1.1:8080");
        let (mut sent, mut deleted) = (0, false);
        for second in 0..200 {
            sim.advance(SECOND);
            let (stream, step) = ask(&mut sim, &format!("unknown-{second}"));
            assert_eq!(step, Step::Wait, "it is asked all the same");
            for (call, callout) in sim.calls() {
                sent += 1;
                let reply = match command(&callout)[0].as_str() {
                    "EXPIRE" => refused.clone(),
                    "DEL" => {
                        deleted = true;
                        response(r#"{"DEL":1}"#)
                    }
                    _ => response(r#"{"GETEX":null}"#),
                };
                sim.respond_to_call(call, reply);
            }
            assert_eq!(status(&sim.step(stream)), 404);
        }
        assert!(deleted, "the end of a session is told");
        assert!(sent < 600, "{sent} commands in 200 seconds");
    }
}

#[test]
fn an_id_that_is_given_out_again_is_not_forgotten_afterwards() {
    let mut sim = sim(|_| {});
    open(&mut sim, "a");
    let (stream, _) = ask(&mut sim, "a");
    sim.response(stream, headers(&[(":status", "404")]), "127.0.1.1:8080");
    let (call, delete) = one_call(&mut sim);
    assert_eq!(delete[0], "DEL");
    sim.proxy_mut().refuses_calls = true;
    sim.respond_to_call(call, fault());
    sim.proxy_mut().refuses_calls = false;
    open(&mut sim, "a");
    sim.advance(MINUTE);
    assert!(sim.calls().is_empty());
}

/// Once a store answers again it learns when a session was used, not when it was told.
#[test]
fn a_use_that_is_told_late_counts_from_when_it_was() {
    let mut sim = sim(|_| {});
    open(&mut sim, "a");
    sim.advance(12 * MINUTE);
    let (stream, _) = ask(&mut sim, "a");
    sim.end(stream);
    let (call, _) = one_call(&mut sim);
    sim.proxy_mut().refuses_calls = true;
    sim.respond_to_call(call, fault());
    sim.advance(30 * MINUTE);
    sim.proxy_mut().refuses_calls = false;
    sim.advance(SECOND);
    let (_, expire) = one_call(&mut sim);
    assert_eq!(expire[2], (7200 - 30 * 60 - 1).to_string());
}

#[test]
fn an_open_stream_keeps_a_session_that_gave_way_here() {
    let mut sim = sim(|plugin| plugin["store"]["capacity"] = json!(8));
    open(&mut sim, "streams");
    assert_eq!(ask(&mut sim, "streams").1, Step::Go, "and does not end");
    for number in 0..50 {
        open(&mut sim, &number.to_string());
    }
    sim.advance(12 * MINUTE);
    let kept = commands(&mut sim, r#"{"EXPIRE":1}"#);
    assert_eq!(kept.len(), 1);
    ask(&mut sim, "streams");
    let (_, asked) = one_call(&mut sim);
    assert_eq!((kept[0][0].as_str(), &kept[0][1]), ("EXPIRE", &asked[1]), "its key");
}

/// It was used through another proxy, which told the store.
#[test]
fn a_session_that_idled_out_here_may_live_elsewhere() {
    let mut sim = sim(|_| {});
    open(&mut sim, "a");
    sim.advance(121 * MINUTE);
    let (stream, step) = ask(&mut sim, "a");
    assert_eq!(step, Step::Wait);
    let (call, _) = one_call(&mut sim);
    let pin = pin(&sim);
    sim.respond_to_call(call, pin);
    assert_eq!(sim.step(stream), Step::Go);
}
