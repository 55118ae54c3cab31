//! Sessions that a pod opened and that no client learns of.

use kit::bootstrap::PODS;
use kit::model::{Engine, Pairs, Step, example_plugin};
use podpin::host::{CallResponse, Callout, Secret};
use serde_json::json;

use crate::by_hand::{fault, headers, one_call, sim};
use simulated::Sim;

fn opened(sim: &mut Sim, id: &str) -> (u32, Step) {
    let request: Pairs = headers(&[(":method", "POST"), (":path", "/mcp?x=1")]);
    let (stream, _) = sim.request(request);
    let response = headers(&[(":status", "200"), ("mcp-session-id", id)]);
    (stream, sim.response(stream, response, "127.0.1.1:8080"))
}

fn is_delete(callout: &Callout, pod: &str, id: &str) {
    assert_eq!((callout.cluster.as_str(), callout.method), (PODS, "DELETE"));
    assert_eq!(callout.path, "/mcp?x=1");
    assert!(callout.authority.starts_with(&format!("{pod}.")), "{}", callout.authority);
    assert_eq!(callout.headers, [("mcp-session-id".to_owned(), Secret(id.to_owned()))]);
}

#[test]
fn a_session_that_cannot_be_written_down_is_ended_on_its_pod() {
    let mut sim = sim(|_| {});
    let (stream, step) = opened(&mut sim, "a");
    assert_eq!(step, Step::Wait);
    let (call, _) = one_call(&mut sim);
    sim.respond_to_call(call, fault());
    let calls = sim.calls();
    assert_eq!(calls.len(), 1, "{calls:?}");
    let pod = sim.record(stream).filter_state[&kit::note("pod")].clone();
    is_delete(&calls[0].1, &pod, "a");
    // Whatever comes of it.
    sim.respond_to_call(
        calls[0].0,
        CallResponse { status: 405, body: Vec::new(), is_from_server: true },
    );
    assert!(sim.calls().is_empty());
}

#[test]
fn a_session_whose_id_is_in_use_on_another_pod_is_ended_on_its_own() {
    let mut sim = Sim::start(&example_plugin());
    let mut pods = Vec::new();
    for _ in 0..20 {
        let (stream, _) = opened(&mut sim, "a");
        pods.push(sim.record(stream).filter_state[&kit::note("pod")].clone());
    }
    let owner = pods[0].clone();
    let others: Vec<_> = pods.into_iter().filter(|pod| *pod != owner).collect();
    let calls = sim.calls();
    assert!(!others.is_empty() && calls.len() == others.len());
    for ((_, callout), pod) in calls.iter().zip(&others) {
        is_delete(callout, pod, "a");
    }
}

#[test]
fn one_whose_client_gets_it_is_not() {
    let mut sim = sim(|plugin| plugin["store"]["on_error"] = json!("continue"));
    let (stream, _) = opened(&mut sim, "a");
    let (call, _) = one_call(&mut sim);
    sim.respond_to_call(call, fault());
    assert_eq!(sim.step(stream), Step::Go);
    assert!(sim.calls().is_empty());
}
