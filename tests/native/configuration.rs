//! A wrong configuration never serves.

use kit::bootstrap::Bootstrap;
use kit::envoy::validate;
use serde_json::{Value, json};

/// What Envoy logs that is to judge the example with this change, and whether it takes it.
fn judged(change: impl FnOnce(&mut Value)) -> (bool, String) {
    let example = Bootstrap::example("native.yaml").expect("the example").plugin(change);
    let output = validate(&example).expect("Envoy runs");
    (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn a_broken_configuration_refuses_to_load_and_names_every_mistake_in_one_line() {
    let (is_taken, log) = judged(|plugin| {
        plugin["paths"] = json!([]);
        plugin["store"] = json!({"capacity": -1});
        plugin["stickiness"] = json!(true);
    });
    assert!(!is_taken);
    let line = log.lines().find(|line| line.contains("configuration refused")).expect(&log);
    for mistake in ["paths: is empty", "store.capacity: -1", "stickiness: unknown key"] {
        assert!(line.contains(mistake), "{mistake}\nnot in\n{line}");
    }
}

/// It would bind sessions to nobody.
#[test]
fn a_property_that_no_dynamic_module_can_read_is_refused() {
    let path = ["metadata", "filter_metadata", "envoy.filters.http.jwt_authn", "payload", "sub"];
    let (is_taken, log) =
        judged(|plugin| plugin["session"]["bind_to"] = json!([{"property": path}]));
    assert!(!is_taken);
    let wanted = format!("session.bind_to: a dynamic module cannot read {}", path.join("."));
    assert!(log.contains(&wanted), "{log}");
    for path in [json!(["connection", "uri_san_peer_certificate"]), json!(["filter_state", "who"])]
    {
        let (is_taken, log) =
            judged(|plugin| plugin["session"]["bind_to"] = json!([{"property": path}]));
        assert!(is_taken, "{log}");
    }
}

#[test]
fn a_configuration_that_is_only_judged_starts_nothing() {
    let (is_taken, log) = judged(|_| {});
    assert!(is_taken, "{log}");
    assert!(!log.contains("no thread that ticks"), "{log}");
}
