//! What the store is told while nobody waits for it.

use std::collections::BTreeSet;
use std::time::Duration;

use kit::mini_redis::percent_decoded;
use kit::mode::Mode;
use kit::model::{Engine, Step, plugin_of};
use podpin::host::CallResponse;
use serde_json::{Value, json};

use crate::by_hand::{
    answer, ask, command, counter, end_at, fault, headers, initialize, is_lost, one_call, open,
    pin, pin_of, response, sim, status, store_calls, stored, value,
};
use simulated::Sim;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

/// How a command ends that keeps a key for so many seconds.
fn ex(seconds: u32) -> [String; 2] {
    ["EX".to_owned(), seconds.to_string()]
}

/// How a command ends that writes a key so.
fn ex_over(seconds: u32, over: &str) -> [String; 3] {
    ["EX".to_owned(), seconds.to_string(), over.to_owned()]
}

/// Opens a session. Gives the command that wrote it down.
fn opened(sim: &mut Sim, id: &str) -> Vec<String> {
    let (stream, _) = initialize(sim, id);
    let command = answer(sim, r#"{"SET":[true,"OK"]}"#);
    sim.end(stream);
    command
}

/// When a session ended by what is written down of it.
fn ended(command: &[String]) -> u64 {
    assert_eq!(command[0], "SET");
    let record: Value = serde_json::from_str(&percent_decoded(&command[2])).expect("JSON");
    assert_eq!((&record["v"], record.as_object().map(|record| record.len())), (&json!(1), Some(2)));
    record["ended"].as_u64().expect("a time")
}

/// The commands that were sent, each answered alike.
fn commands(sim: &mut Sim, body: &str) -> Vec<Vec<String>> {
    let calls = sim.calls();
    calls.iter().for_each(|(call, _)| sim.respond_to_call(*call, response(body)));
    calls.iter().map(|(_, callout)| command(callout)).collect()
}

#[test]
fn a_use_is_written_back_every_tenth_of_the_idle_timeout_beside_the_request() {
    let mut sim = sim(|_| {});
    let opened = opened(&mut sim, "a");
    let mut written = 0;
    for _ in 0..120 {
        sim.advance(MINUTE);
        let (stream, step) = ask(&mut sim, "a");
        assert_eq!(step, Step::Go, "it does not wait");
        sim.end(stream);
        for (call, callout) in sim.calls() {
            let command = command(&callout);
            assert_eq!((command[0].as_str(), &command[2..]), ("GETEX", &ex(7200)[..]));
            sim.respond_to_call(call, stored(&opened));
            written += 1;
        }
    }
    assert_eq!(written, 10);
}

#[test]
fn what_the_store_has_lost_is_written_down_again() {
    let mut sim = sim(|_| {});
    initialize(&mut sim, "a");
    let first = answer(&mut sim, r#"{"SET":[true,"OK"]}"#);
    sim.advance(12 * MINUTE);
    ask(&mut sim, "a");
    answer(&mut sim, r#"{"GETEX":null}"#);
    let (_, again) = one_call(&mut sim);
    assert_eq!((&again[..2], &again[3..]), (&first[..2], &first[3..]));
}

/// The write-back of a use is under way while the session ends.
#[test]
fn what_has_ended_meanwhile_is_not_written_down_again() {
    let mut sim = sim(|_| {});
    open(&mut sim, "a");
    sim.advance(12 * MINUTE);
    let (stream, _) = ask(&mut sim, "a");
    let (call, keep) = one_call(&mut sim);
    is_lost(&mut sim, stream);
    assert!(sim.calls().is_empty(), "one after the other");
    sim.respond_to_call(call, response(r#"{"GETEX":null}"#));
    assert_eq!(answer(&mut sim, r#"{"GET":null}"#)[..2], ["GET", &keep[1]]);
    let bury = answer(&mut sim, r#"{"SET":[true,"OK"]}"#);
    assert_eq!((ended(&bury), &bury[3..]), (sim.proxy().milliseconds, &ex_over(7920, "NX")[..]));
    assert!(sim.calls().is_empty());
}

/// Another Envoy restored it in between.
#[test]
fn an_end_that_is_overtaken_is_told_again_once() {
    let mut sim = sim(|_| {});
    let opened = opened(&mut sim, "a");
    let (stream, _) = ask(&mut sim, "a");
    is_lost(&mut sim, stream);
    answer(&mut sim, r#"{"GET":null}"#);
    answer(&mut sim, r#"{"SET":null}"#);
    let (call, get) = one_call(&mut sim);
    assert_eq!(get[0], "GET");
    sim.respond_to_call(call, stored(&opened));
    let bury = answer(&mut sim, r#"{"SET":null}"#);
    assert_eq!((&bury[1], bury[5].as_str()), (&opened[1], "XX"));
    assert!(sim.calls().is_empty());
}

#[test]
fn the_end_of_a_session_stays_in_the_store_for_longer_than_anyone_knows_it() {
    let mut sim = sim(|plugin| plugin["session"] = json!({"idle_timeout": "33s"}));
    let opened = opened(&mut sim, "a");
    let (stream, _) = ask(&mut sim, "a");
    is_lost(&mut sim, stream);
    assert_eq!(status(&ask(&mut sim, "a").1), 404, "at once");
    let (call, get) = one_call(&mut sim);
    assert_eq!(get[..2], ["GET", &opened[1]]);
    sim.respond_to_call(call, stored(&opened));
    let bury = answer(&mut sim, r#"{"SET":[true,"OK"]}"#);
    assert_eq!((ended(&bury), &bury[3..]), (sim.proxy().milliseconds, &ex_over(37, "XX")[..]));
    assert!(sim.calls().is_empty());
}

/// Two clusters that share a Redis and a scope may each have a session of this id.
#[test]
fn only_the_session_that_ended_is_ended_in_the_store() {
    let mut sim = sim(|_| {});
    let now = sim.proxy().milliseconds;
    let others = [
        value(&pin_of(1, now)),
        value(&pin_of(2, now + 1)),
        value(&json!({"v": 5, "cluster": "a"})),
        value(&end_at(now)),
        response(r#"{"GET":"no pin"}"#),
    ];
    for (number, other) in others.into_iter().enumerate() {
        let id = number.to_string();
        let (stream, _) = ask(&mut sim, &id);
        let (call, _) = one_call(&mut sim);
        let pin = value(&pin_of(2, now));
        sim.respond_to_call(call, pin);
        assert_eq!(sim.step(stream), Step::Go);
        is_lost(&mut sim, stream);
        let (call, get) = one_call(&mut sim);
        assert_eq!(get[0], "GET");
        sim.respond_to_call(call, other);
        assert!(sim.calls().is_empty(), "{number}: nothing is written");
        assert_eq!(status(&ask(&mut sim, &id).1), 404, "{number}: here it is over");
    }
}

/// It ended through another Envoy, or its id is another session's by now.
#[test]
fn a_use_that_is_written_back_learns_what_became_of_the_session() {
    for (what, replaced) in [("it ended", false), ("another took its place", true)] {
        let mut sim = sim(|_| {});
        let opened = opened(&mut sim, "a");
        sim.advance(12 * MINUTE);
        let (stream, step) = ask(&mut sim, "a");
        assert_eq!(step, Step::Go);
        sim.end(stream);
        let (call, keep) = one_call(&mut sim);
        assert_eq!((keep[0].as_str(), &keep[1]), ("GETEX", &opened[1]));
        let now = sim.proxy().milliseconds;
        let other = if replaced { pin_of(1, now - 1) } else { end_at(now) };
        sim.respond_to_call(call, value(&other));
        let (stream, step) = ask(&mut sim, "a");
        if replaced {
            let calls = sim.calls();
            let commands: Vec<_> = calls.iter().map(|(_, callout)| command(callout)).collect();
            assert_eq!(commands[0], commands[1], "the other is kept, and looked up");
            calls.iter().for_each(|(call, _)| sim.respond_to_call(*call, value(&other)));
            assert_eq!(sim.step(stream), Step::Go);
            assert_eq!(sim.record(stream).filter_state[&kit::note("pod")], "myserver-1");
        } else {
            assert_eq!(status(&step), 404, "{what}");
        }
        assert!(sim.calls().is_empty(), "{what}");
    }
}

/// That a session was bound again meanwhile is not undone by what is learned of the old one.
#[test]
fn what_is_learned_of_an_old_session_does_not_end_a_new_one_of_its_id() {
    let mut sim = sim(|plugin| plugin["workload"]["replicas"] = json!(1));
    open(&mut sim, "a");
    sim.advance(12 * MINUTE);
    let (stream, _) = ask(&mut sim, "a");
    sim.end(stream);
    let (keep, _) = one_call(&mut sim);
    let (stream, step) = initialize(&mut sim, "a");
    assert_eq!((step, sim.calls().len()), (Step::Wait, 0), "what is under way goes first");
    let now = sim.proxy().milliseconds;
    sim.respond_to_call(keep, value(&end_at(now)));
    answer(&mut sim, r#"{"SET":null}"#);
    let (call, _) = one_call(&mut sim);
    sim.respond_to_call(call, value(&end_at(now)));
    answer(&mut sim, r#"{"SET":[true,"OK"]}"#);
    assert_eq!(sim.step(stream), Step::Go);
    assert_eq!(ask(&mut sim, "a").1, Step::Go);
    assert!(sim.calls().is_empty());
}

/// A client that goes on asking for a session that has ended.
#[test]
fn the_end_of_a_session_does_not_stay_in_the_store_for_ever() {
    let mut sim = sim(|_| {});
    let calls_at = |sim: &mut Sim, minutes: u32| {
        let ended = sim.proxy().milliseconds - u64::from(minutes) * 60_000;
        let (stream, _) = ask(sim, &minutes.to_string());
        let (call, _) = one_call(sim);
        sim.respond_to_call(call, value(&end_at(ended)));
        assert_eq!(status(&sim.step(stream)), 404);
        sim.calls().into_iter().map(|(_, callout)| command(&callout)).collect::<Vec<_>>()
    };
    assert!(calls_at(&mut sim, 0).is_empty());
    assert!(calls_at(&mut sim, 131).is_empty());
    let let_go = calls_at(&mut sim, 132);
    assert_eq!((let_go.len(), let_go[0][0].as_str(), &let_go[0][2..]), (1, "GETEX", &ex(1)[..]));
}

/// Whatever keeps a key, no session lives longer than `session.max_age`.
#[test]
fn a_look_up_does_not_keep_a_session_beyond_its_greatest_age() {
    const HOUR: u64 = 3_600_000;
    let mut sim = sim(|_| {});
    let now = sim.proxy().milliseconds;
    let look = |sim: &mut Sim, age: u64| {
        let (stream, _) = ask(sim, &age.to_string());
        let (call, look) = one_call(sim);
        assert_eq!(look[2..], ex(7200));
        let pin = value(&pin_of(2, now - age));
        sim.respond_to_call(call, pin);
        (stream, look[1].clone())
    };
    let (young, _) = look(&mut sim, 22 * HOUR);
    assert_eq!((sim.step(young), sim.calls().len()), (Step::Go, 0));
    let (old, key) = look(&mut sim, 23 * HOUR);
    assert_eq!(sim.step(old), Step::Go);
    let corrected = answer(&mut sim, r#"{"GETEX":null}"#);
    assert_eq!((&corrected[..2], &corrected[2..]), (&["GETEX".into(), key][..], &ex(3600)[..]));
    sim.calls();
    let (too_old, key) = look(&mut sim, 24 * HOUR);
    assert_eq!(status(&sim.step(too_old)), 404);
    assert_eq!(counter(&sim, "expired"), 1);
    let (call, get) = one_call(&mut sim);
    assert_eq!(get, ["GET".to_owned(), key.clone()]);
    let pin = value(&pin_of(2, now - 24 * HOUR));
    sim.respond_to_call(call, pin);
    let (_, bury) = one_call(&mut sim);
    assert_eq!((&bury[1], ended(&bury)), (&key, now));
}

#[test]
fn a_clock_that_is_set_back_ends_nothing() {
    let mut sim = sim(|_| {});
    let opened = opened(&mut sim, "a");
    sim.proxy_mut().milliseconds -= 3 * 24 * 3_600_000;
    let (stream, step) = ask(&mut sim, "a");
    assert_eq!(step, Step::Go);
    sim.end(stream);
    let (call, keep) = one_call(&mut sim);
    assert_eq!(keep[2..], ex(7200));
    sim.respond_to_call(call, stored(&opened));
    assert!(sim.calls().is_empty());
    let now = sim.proxy().milliseconds;
    let (stream, _) = ask(&mut sim, "ended-tomorrow");
    let (call, _) = one_call(&mut sim);
    sim.respond_to_call(call, value(&end_at(now + 24 * 3_600_000)));
    assert_eq!((status(&sim.step(stream)), sim.calls().len()), (404, 0));
    assert_eq!(ask(&mut sim, "a").1, Step::Go);
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
            let few = commands(&mut sim, r#"{"GETEX":"of another version, say"}"#);
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
    let used = opened(&mut sim, "used");
    let ended = opened(&mut sim, "ended");
    sim.advance(12 * MINUTE);
    assert_eq!(ask(&mut sim, "used").1, Step::Go);
    let (call, keep) = one_call(&mut sim);
    sim.respond_to_call(call, fault());
    let (stream, _) = ask(&mut sim, "ended");
    is_lost(&mut sim, stream);
    sim.calls().iter().for_each(|(call, _)| sim.respond_to_call(*call, fault()));
    sim.proxy_mut().refuses_calls = true;
    for _ in 0..100 {
        sim.advance(SECOND);
    }
    assert_eq!(status(&ask(&mut sim, "ended").1), 404, "here it is over all the same");
    sim.proxy_mut().refuses_calls = false;
    let mut told = Vec::new();
    for _ in 0..5 {
        sim.advance(SECOND);
        for (call, callout) in sim.calls() {
            let command = command(&callout);
            let record = if command[1] == used[1] { &used } else { &ended };
            let reply = match command[0].as_str() {
                "SET" => response(r#"{"SET":[true,"OK"]}"#),
                _ => stored(record),
            };
            sim.respond_to_call(call, reply);
            told.push(command[..2].join(" "));
        }
    }
    told.sort();
    let [used, ended] = [&keep[1], &ended[1]];
    assert_eq!(told, [format!("GET {ended}"), format!("GETEX {used}"), format!("SET {ended}")]);
}

/// An ACL without SET, or a replica: Redis says so, or webdis answers 403.
#[test]
fn a_command_that_is_refused_holds_up_no_other() {
    let refused = [
        response(r#"{"SET":[false,"NOPERM no"]}"#),
        CallResponse { status: 403, body: Vec::new(), is_from_server: true },
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
            match number {
                0..50 => is_lost(&mut sim, stream),
                _ => sim.end(stream),
            }
        }
        let (mut sent, mut kept) = (0, BTreeSet::new());
        for second in 0..200 {
            sim.advance(SECOND);
            let (stream, step) = ask(&mut sim, &format!("unknown-{second}"));
            assert_eq!(step, Step::Wait, "it is asked all the same");
            let mut calls = sim.calls();
            while !calls.is_empty() {
                for (call, callout) in calls {
                    sent += 1;
                    let command = command(&callout);
                    let reply = match command[0].as_str() {
                        "SET" => refused.clone(),
                        "GET" => response(r#"{"GET":null}"#),
                        _ => response(r#"{"GETEX":"no pin"}"#),
                    };
                    if command[0] == "GETEX" {
                        kept.insert(command[1].clone());
                    }
                    sim.respond_to_call(call, reply);
                }
                calls = sim.calls();
            }
            assert_eq!(status(&sim.step(stream)), 404);
        }
        assert!(kept.len() >= 200 + 50, "{} of those looked up and those in use", kept.len());
        assert!(sent < 1500, "{sent} commands in 200 seconds");
    }
}

#[test]
fn an_id_that_is_given_out_again_is_not_forgotten_afterwards() {
    let mut sim = sim(|_| {});
    open(&mut sim, "a");
    let (stream, _) = ask(&mut sim, "a");
    is_lost(&mut sim, stream);
    let (call, end) = one_call(&mut sim);
    assert_eq!(end[0], "GET");
    sim.proxy_mut().refuses_calls = true;
    sim.respond_to_call(call, fault());
    sim.proxy_mut().refuses_calls = false;
    open(&mut sim, "a");
    sim.advance(MINUTE);
    assert!(sim.calls().is_empty());
}

/// The end of the old one must not be written on top of the new one.
#[test]
fn an_id_that_is_given_out_again_waits_until_the_end_of_its_old_session_is_told() {
    let mut sim = sim(|plugin| plugin["workload"]["replicas"] = json!(1));
    let old = opened(&mut sim, "a");
    let (stream, _) = ask(&mut sim, "a");
    is_lost(&mut sim, stream);
    let (gone, _) = initialize(&mut sim, "a");
    sim.end(gone);
    let (stream, step) = initialize(&mut sim, "a");
    assert_eq!(step, Step::Wait);
    let (call, end) = one_call(&mut sim);
    assert_eq!(end[0], "GET");
    sim.respond_to_call(call, stored(&old));
    assert_eq!(answer(&mut sim, r#"{"SET":[true,"OK"]}"#)[5], "XX", "the end");
    let calls = sim.calls();
    assert_eq!(calls.len(), 2, "both that waited");
    calls.iter().for_each(|(call, _)| {
        sim.respond_to_call(*call, response(r#"{"SET":[true,"OK"]}"#));
    });
    assert_eq!((sim.step(gone), sim.step(stream)), (Step::Wait, Step::Go));
    assert_eq!(ask(&mut sim, "a").1, Step::Go);
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
    let (_, keep) = one_call(&mut sim);
    assert_eq!(keep[2..], ex(7200 - 30 * 60 - 1));
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
    let kept = commands(&mut sim, r#"{"GETEX":"no pin"}"#);
    assert_eq!(kept.len(), 1);
    ask(&mut sim, "streams");
    let (_, asked) = one_call(&mut sim);
    assert_eq!(kept[0], asked, "its key");
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

/// The store was slow when a session ended, and then the VM died that was to tell it.
#[test]
fn the_end_of_a_session_is_told_by_another_if_its_vm_dies() {
    for mode in [Mode::Authority, Mode::Endpoint] {
        let mut plugin = plugin_of(mode);
        plugin["store"] = json!({"kind": "redis", "cluster": "webdis"});
        let mut sim = Sim::start(&plugin);
        let written = opened(&mut sim, "a");
        let delete = [(":method", "DELETE"), (":path", "/mcp"), ("mcp-session-id", "a")];
        let (stream, step) = sim.request(headers(&delete));
        assert_eq!(step, Step::Go);
        sim.response(stream, headers(&[(":status", "204")]), "127.0.1.1:8080");
        assert_eq!(one_call(&mut sim).1[0], "GET", "its answer comes too late");
        sim.dies(&plugin);
        (0..9).for_each(|_| sim.advance(SECOND));
        assert!(store_calls(&mut sim).is_empty(), "it may live still");
        (0..3).for_each(|_| sim.advance(SECOND));
        let (call, command) = one_call(&mut sim);
        assert_eq!(command[0], "GET");
        sim.respond_to_call(call, stored(&written));
        let (call, command) = one_call(&mut sim);
        assert_eq!(ended(&command), sim.proxy().milliseconds);
        sim.respond_to_call(call, response(r#"{"SET":[true,"OK"]}"#));
        (0..30).for_each(|_| sim.advance(SECOND));
        assert!(store_calls(&mut sim).is_empty(), "it was told once");
        assert_eq!(counter(&sim, "taken_over"), 1);
    }
}
