//! Requests, answers and callouts, one at a time.

use kit::bootstrap::PODS;
use kit::mini_redis::percent_decoded;
use kit::model::{Engine, Pairs, Step, example_plugin};
use podpin::host::{CallResponse, Callout};
use serde_json::{Value, json};
use simulated::Sim;

/// The filter with pins in a Redis behind webdis, its configuration changed.
pub(crate) fn sim(change: impl FnOnce(&mut Value)) -> Sim {
    let mut plugin = example_plugin();
    plugin["store"] = json!({"kind": "redis", "cluster": "webdis"});
    change(&mut plugin);
    Sim::start(&plugin)
}

pub(crate) fn headers(pairs: &[(&str, &str)]) -> Pairs {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect()
}

/// A request of a session.
pub(crate) fn ask(sim: &mut Sim, id: &str) -> (u32, Step) {
    sim.request(headers(&[(":method", "POST"), (":path", "/mcp"), ("mcp-session-id", id)]))
}

/// An `initialize` that a pod has answered by headers alone.
pub(crate) fn initialize(sim: &mut Sim, id: &str) -> (u32, Step) {
    let (stream, step) = sim.request(headers(&[(":method", "POST"), (":path", "/mcp")]));
    assert_eq!(step, Step::Go);
    assert_eq!(sim.request_body(stream, br#"{"method":"initialize"}"#, true), Step::Go);
    let response = headers(&[(":status", "200"), ("mcp-session-id", id)]);
    (stream, sim.response_head(stream, response, "127.0.1.1:8080", false))
}

/// The callouts to the store that were made.
pub(crate) fn store_calls(sim: &mut Sim) -> Vec<(u32, Callout)> {
    sim.calls().into_iter().filter(|(_, callout)| callout.cluster != PODS).collect()
}

/// The one callout to the store that was made, and its command.
pub(crate) fn one_call(sim: &mut Sim) -> (u32, Vec<String>) {
    let calls = store_calls(sim);
    assert_eq!(calls.len(), 1, "{calls:?}");
    (calls[0].0, command(&calls[0].1))
}

pub(crate) fn command(callout: &Callout) -> Vec<String> {
    let body = std::str::from_utf8(&callout.body).expect("text");
    body.split('/').map(str::to_owned).collect()
}

pub(crate) fn response(body: &str) -> CallResponse {
    CallResponse { status: 200, body: body.as_bytes().to_vec(), is_from_server: true }
}

pub(crate) fn fault() -> CallResponse {
    CallResponse { status: 504, body: b"upstream request timeout".to_vec(), is_from_server: false }
}

/// Opens a session and has the store take it.
pub(crate) fn open(sim: &mut Sim, id: &str) {
    let (stream, step) = initialize(sim, id);
    assert_eq!(step, Step::Wait);
    let (call, _) = one_call(sim);
    sim.respond_to_call(call, response(r#"{"SET":[true,"OK"]}"#));
    assert_eq!(sim.step(stream), Step::Go);
    sim.end(stream);
}

/// Has the store answer the one callout that was made, and gives back its command.
pub(crate) fn answer(sim: &mut Sim, reply: &str) -> Vec<String> {
    let (call, command) = one_call(sim);
    sim.respond_to_call(call, response(reply));
    command
}

/// A value that was written down, as Redis gives it.
pub(crate) fn stored(command: &[String]) -> CallResponse {
    assert_eq!(command[0], "SET");
    response(&json!({"GET": percent_decoded(&command[2])}).to_string())
}

/// A value of a session, as Redis gives it.
pub(crate) fn value(value: &Value) -> CallResponse {
    response(&json!({"GETEX": value.to_string()}).to_string())
}

/// A pin on pod 2, as Redis gives it.
pub(crate) fn pin(sim: &Sim) -> CallResponse {
    pin_on(sim, 2)
}

pub(crate) fn pin_on(sim: &Sim, ordinal: u32) -> CallResponse {
    value(&pin_of(ordinal, sim.proxy().milliseconds))
}

/// A pin that was bound then, as it is written down.
pub(crate) fn pin_of(ordinal: u32, bound_at: u64) -> Value {
    let host = format!("{}-{ordinal}.{}", kit::STATEFUL_SET, kit::DOMAIN);
    json!({"v": 1, "host": host, "address": null, "bound_at": bound_at, "used_at": bound_at})
}

/// That a session ended then, as it is written down.
pub(crate) fn end_at(at: u64) -> Value {
    json!({"v": 1, "ended": at})
}

/// What a pod that does not know the session answers.
pub(crate) fn is_lost(sim: &mut Sim, stream: u32) {
    sim.response(stream, headers(&[(":status", "404")]), "127.0.1.1:8080");
    sim.end(stream);
}

pub(crate) fn status(step: &Step) -> u16 {
    match step {
        Step::Go => 200,
        Step::Wait => 0,
        Step::Reply(status, ..) => *status,
    }
}

pub(crate) fn counter(sim: &Sim, name: &str) -> u64 {
    sim.proxy().counters.get(&kit::counter(name)).copied().unwrap_or(0)
}
