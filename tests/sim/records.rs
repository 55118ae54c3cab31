//! What other releases have written into Redis.

use kit::model::{Engine, Step};
use serde_json::{Value, json};

use crate::by_hand::{ask, one_call, response, sim};

/// A session outlives the Envoys that serve it, whatever version replaces them.
#[test]
fn what_version_0_1_0_has_written_is_read() {
    let file = kit::root().join("tests/fixtures/redis-0.1.0.json");
    let text = std::fs::read_to_string(file).expect("the values of 0.1.0");
    let values: Vec<Value> = serde_json::from_str(&text).expect("JSON");
    assert_eq!(values.len(), 3);
    let mut sim = sim(|_| {});
    for (number, value) in values.iter().enumerate() {
        let (stream, _) = ask(&mut sim, &number.to_string());
        let (call, _) = one_call(&mut sim);
        sim.respond_to_call(call, response(&json!({"GETEX": value["value"]}).to_string()));
        assert_eq!(sim.step(stream), Step::Go);
        assert_eq!(sim.record(stream).filter_state["wasm.podpin.pod"], value["pod"]);
    }
}
