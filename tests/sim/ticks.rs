//! Streams that stay open while ticks pass.

use std::time::Duration;

use kit::model::{Engine, Step, example_plugin};
use serde_json::json;

use crate::by_hand::{ask, initialize};
use simulated::Sim;

/// More streams than one tick gets round to.
#[test]
fn each_of_many_open_streams_keeps_its_session() {
    let mut plugin = example_plugin();
    plugin["session"] = json!({"idle_timeout": "60s"});
    let mut sim = Sim::start(&plugin);
    for number in 0..4000 {
        let id = number.to_string();
        initialize(&mut sim, &id);
        assert_eq!(ask(&mut sim, &id).1, Step::Go, "and does not end");
    }
    for _ in 0..180 {
        sim.advance(Duration::from_secs(1));
    }
    for number in 0..4000 {
        assert_eq!(ask(&mut sim, &number.to_string()).1, Step::Go, "{number}");
    }
}
