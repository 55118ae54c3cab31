//! Questions to a pod whether it knows a session: one at a time, a few a second, and their answers come
//! late, twice or never.

use std::time::Duration;

use kit::bootstrap::PODS;
use kit::model::{Engine, Pairs, Step, example_plugin};
use podpin::host::{CallResponse, Callout, Cause, Secret};
use serde_json::json;

use crate::by_hand::{counter, headers, initialize, status};
use simulated::Sim;

const ADDRESS: &str = "127.0.1.1:8080";

/// The filter with one pod, and so many sessions on it.
fn with_sessions(count: usize) -> Sim {
    let mut plugin = example_plugin();
    plugin["workload"]["replicas"] = json!(1);
    let mut sim = Sim::start(&plugin);
    for number in 0..count {
        let (stream, step) = initialize(&mut sim, &format!("s{number}"));
        assert_eq!(step, Step::Go);
        sim.end(stream);
    }
    sim
}

fn request_of(number: usize) -> Pairs {
    headers(&[
        (":method", "POST"),
        (":path", "/mcp?a=b"),
        (":authority", "mcp.example"),
        ("mcp-session-id", &format!("s{number}")),
        ("mcp-protocol-version", "2025-06-18"),
        ("authorization", "Bearer secret"),
        ("x-api-key", "key"),
        ("content-length", "99"),
        ("x-podpin-host", "evil"),
        ("x-envoy-original-dst-host", "10.0.0.1:80"),
    ])
}

/// A request of a session, which the pod answers with this status.
fn answered(sim: &mut Sim, number: usize, code: &str) -> (u32, Step) {
    let (stream, step) = sim.request(request_of(number));
    assert_eq!(step, Step::Go);
    (stream, sim.response(stream, headers(&[(":status", code)]), ADDRESS))
}

fn pings(sim: &mut Sim) -> Vec<(u32, Callout)> {
    sim.calls().into_iter().filter(|(_, callout)| callout.cluster == PODS).collect()
}

fn from_server(status: u16, body: &str) -> CallResponse {
    CallResponse { status, body: body.into(), is_from_server: true }
}

fn alive() -> CallResponse {
    from_server(200, r#"{"jsonrpc":"2.0","id":"podpin","result":{}}"#)
}

/// The status that the client gets in the end.
fn code_of(sim: &mut Sim, stream: u32) -> String {
    assert_eq!(sim.step(stream), Step::Go);
    let response = sim.record(stream).response;
    let status = response.iter().find(|(name, _)| name == ":status").expect("a status");
    String::from_utf8(status.1.clone()).expect("text")
}

#[test]
fn a_ping_is_what_the_client_would_send() {
    let mut sim = with_sessions(1);
    assert_eq!(answered(&mut sim, 0, "400").1, Step::Wait);
    let [(_, callout)] = pings(&mut sim).try_into().expect("one");
    assert_eq!((callout.method, callout.path.as_str()), ("POST", "/mcp?a=b"));
    assert_eq!(callout.authority, format!("{}-0.{}:8080", kit::STATEFUL_SET, kit::DOMAIN));
    assert_eq!(callout.body, br#"{"jsonrpc":"2.0","id":"podpin","method":"ping"}"#);
    let mut sent: Vec<_> = callout
        .headers
        .iter()
        .map(|(name, Secret(value))| (name.as_str(), value.as_str()))
        .collect();
    sent.sort_unstable();
    assert_eq!(
        sent,
        [
            ("accept", "application/json, text/event-stream"),
            ("authorization", "Bearer secret"),
            ("content-type", "application/json"),
            ("mcp-protocol-version", "2025-06-18"),
            ("mcp-session-id", "s0"),
            ("x-api-key", "key"),
        ]
    );
    assert!(!format!("{callout:?}").contains("secret"), "no log shows it");
}

#[test]
fn requests_of_one_session_share_a_question() {
    for (answer, code) in [(alive(), "400"), (from_server(400, ""), "404")] {
        let mut sim = with_sessions(1);
        let streams: Vec<_> = (0..20).map(|_| answered(&mut sim, 0, "400")).collect();
        assert!(streams.iter().all(|(_, step)| *step == Step::Wait));
        let [(call, _)] = pings(&mut sim).try_into().expect("one");
        sim.respond_to_call(call, answer);
        for (stream, _) in streams {
            assert_eq!(code_of(&mut sim, stream), code);
        }
        assert_eq!(counter(&sim, "pinged"), 1);
    }
}

/// Those that would ask more wait for the ones that were asked first.
#[test]
fn a_pod_is_asked_a_few_times_and_all_its_sessions_are_told() {
    let mut sim = with_sessions(30);
    let streams: Vec<_> = (0..30).map(|number| answered(&mut sim, number, "400").0).collect();
    let calls = pings(&mut sim);
    assert_eq!(calls.len(), 5);
    for (call, _) in calls {
        sim.respond_to_call(call, from_server(404, ""));
    }
    for stream in streams {
        assert_eq!(code_of(&mut sim, stream), "404");
        sim.end(stream);
    }
    assert_eq!((counter(&sim, "lost"), counter(&sim, "pinged")), (30, 5));
}

/// The one that was asked about has left by then, and others wait for what comes of it.
#[test]
fn a_session_whose_client_left_is_forgotten_all_the_same() {
    let mut sim = with_sessions(6);
    let streams: Vec<_> = (0..6).map(|number| answered(&mut sim, number, "400").0).collect();
    let calls = pings(&mut sim);
    sim.end(streams[0]);
    for (call, _) in calls {
        sim.respond_to_call(call, from_server(404, ""));
    }
    assert_eq!(code_of(&mut sim, streams[5]), "404", "it was told by another's answer");
    assert_eq!(counter(&sim, "lost"), 6);
    for number in 0..6 {
        let (_, step) = sim.request(request_of(number));
        assert_eq!(status(&step), 404, "{number}");
    }
}

/// Those that wait for others' answers only learn from a loss.
#[test]
fn a_session_that_lives_says_nothing_about_others() {
    let mut sim = with_sessions(6);
    let streams: Vec<_> = (0..6).map(|number| answered(&mut sim, number, "400").0).collect();
    for (call, _) in pings(&mut sim) {
        sim.respond_to_call(call, alive());
    }
    for stream in streams {
        assert_eq!(code_of(&mut sim, stream), "400");
    }
    assert_eq!(counter(&sim, "lost"), 0);
}

#[test]
fn an_answer_that_comes_late_or_twice_or_for_nobody_does_no_harm() {
    let mut sim = with_sessions(2);
    let (stream, _) = answered(&mut sim, 0, "400");
    let [(call, _)] = pings(&mut sim).try_into().expect("one");
    // Its client leaves.
    sim.end(stream);
    sim.respond_to_call(call, from_server(404, ""));
    sim.respond_to_call(call, alive());
    assert_eq!(counter(&sim, "lost"), 1);
    let (_, step) = sim.request(request_of(0));
    assert_eq!(status(&step), 404, "what became known counts all the same");
}

#[test]
fn an_answer_that_never_comes_lets_the_response_pass() {
    let mut sim = with_sessions(1);
    let (stream, step) = answered(&mut sim, 0, "400");
    assert_eq!(step, Step::Wait);
    let [(call, _)] = pings(&mut sim).try_into().expect("one");
    sim.advance(Duration::from_secs(1));
    assert_eq!(sim.step(stream), Step::Wait, "a proxy may be late");
    sim.advance(Duration::from_secs(2));
    assert_eq!(code_of(&mut sim, stream), "400");
    sim.end(stream);
    sim.respond_to_call(call, from_server(404, ""));
    let (_, step) = sim.request(request_of(0));
    assert_eq!(step, Step::Go, "nobody knows what that was an answer to");
}

#[test]
fn a_proxy_that_sends_no_question_lets_the_response_pass() {
    let mut sim = with_sessions(1);
    sim.proxy_mut().refuses_calls = true;
    let (stream, step) = answered(&mut sim, 0, "400");
    assert_eq!((step, code_of(&mut sim, stream).as_str()), (Step::Go, "400"));
}

/// A 503 may be for all: then it passes.
#[test]
fn a_503_is_compared_with_that_to_a_request_of_no_session() {
    for (without, code) in [(from_server(503, ""), "503"), (from_server(400, ""), "404")] {
        let mut sim = with_sessions(1);
        let (stream, _) = answered(&mut sim, 0, "503");
        let [(call, first)] = pings(&mut sim).try_into().expect("one");
        sim.respond_to_call(call, from_server(503, ""));
        assert_eq!(sim.step(stream), Step::Wait);
        let [(call, second)] = pings(&mut sim).try_into().expect("another");
        let is_named =
            |callout: &Callout| callout.headers.iter().any(|(name, _)| name == "mcp-session-id");
        assert_eq!((is_named(&first), is_named(&second)), (true, false));
        assert!(second.timeout <= first.timeout);
        sim.respond_to_call(call, without);
        assert_eq!(code_of(&mut sim, stream), code);
    }
}

/// A connection that ended before the response, in each of the ways in which the pod may be by then.
#[test]
fn a_reset_is_told_by_what_the_pod_says_after_it() {
    let refused = CallResponse { status: 503, body: Vec::new(), is_from_server: false };
    let late = CallResponse { status: 504, ..refused.clone() };
    for (answer, code, decision) in [
        (alive(), "503", None),
        (from_server(404, ""), "404", Some("lost")),
        (refused, "404", Some("unreachable")),
        (late, "404", Some("unreachable")),
    ] {
        let mut sim = with_sessions(1);
        let (stream, _) = sim.request(request_of(0));
        let step = sim.local_reply(stream, headers(&[(":status", "503")]), ADDRESS, Cause::Reset);
        assert_eq!(step, Step::Wait);
        let [(call, _)] = pings(&mut sim).try_into().expect("one");
        sim.respond_to_call(call, answer);
        assert_eq!(code_of(&mut sim, stream), code);
        let counted = ["lost", "unreachable"].map(|name| counter(&sim, name));
        let wanted = ["lost", "unreachable"].map(|name| u64::from(decision == Some(name)));
        assert_eq!(counted, wanted, "{code}");
    }
}

/// A message that ends with its connection while it is doubted.
#[test]
fn a_client_that_leaves_while_its_pod_is_asked_leaves_nothing_behind() {
    let mut sim = with_sessions(1);
    for _ in 0..3 {
        let (stream, step) = answered(&mut sim, 0, "400");
        assert_eq!(step, Step::Wait);
        sim.end(stream);
    }
    let [(call, _)] = pings(&mut sim).try_into().expect("one");
    sim.respond_to_call(call, alive());
    assert_eq!(answered(&mut sim, 0, "200").1, Step::Go);
}
