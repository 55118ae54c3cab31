//! A proxy that cannot do all that is asked of it.

use std::collections::BTreeSet;

use kit::model::{Engine, Step, example_plugin};
use serde_json::json;

use crate::by_hand::{ask, counter, headers, initialize, status};
use simulated::Sim;

#[test]
fn a_steering_that_the_proxy_refuses_is_answered_503() {
    let mut plugin = example_plugin();
    plugin["steer"] = json!("dynamic_host");
    let mut sim = Sim::start(&plugin);
    let (stream, _) = initialize(&mut sim, "a");
    sim.end(stream);
    sim.proxy_mut().refuses_filter_state = true;
    assert_eq!(status(&ask(&mut sim, "a").1), 503);
    let (_, step) = sim.request(headers(&[(":method", "POST"), (":path", "/mcp")]));
    assert_eq!(status(&step), 503, "a new session is not sent anywhere either");
    assert_eq!(counter(&sim, "steering_refused"), 2);
}

#[test]
fn without_randomness_sessions_are_spread_all_the_same() {
    let mut sim = Sim::start(&example_plugin());
    sim.proxy_mut().has_no_randomness = true;
    let mut pods = BTreeSet::new();
    for number in 0..60 {
        let (stream, step) = initialize(&mut sim, &number.to_string());
        assert_eq!(step, Step::Go);
        pods.insert(sim.record(stream).filter_state[&kit::note("pod")].clone());
    }
    assert_eq!(pods.len(), 3);
    assert_eq!(counter(&sim, "random_missing"), 60);
}
