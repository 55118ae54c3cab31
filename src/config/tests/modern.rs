//! Requests of an era without sessions.

use super::*;
use crate::modern::Rule;

fn with_affinity(rules: Value, change: impl FnOnce(&mut Value)) -> Value {
    let mut config = whole_config();
    config["modern"]["affinity"] = rules;
    change(&mut config);
    config
}

fn key(is_remembered: bool) -> Rule {
    Rule::Key { claims: vec![Claim::Header("x-user".to_owned())], is_remembered }
}

#[test]
fn rules_are_read_in_order() {
    let rules = json!([
        {"pod_in": {"header": "mcp-param-cart"}},
        {"task": {}},
        {"task": {"id_header": "x-task"}},
        {"key": {"header": "x-user"}, "remember": true},
        {"key": [{"property": ["jwt", "iss"]}, {"property": ["jwt", "sub"]}]},
    ]);
    let config = parse(&with_affinity(rules, |config| config["modern"]["max_age"] = json!("1h")));
    let claim = |name: &str| Claim::Property(vec!["jwt".to_owned(), name.to_owned()]);
    let both = Rule::Key { claims: vec![claim("iss"), claim("sub")], is_remembered: false };
    let named = Rule::PodIn("mcp-param-cart".into());
    let task = |header: &str| Rule::Task { id_header: header.to_owned() };
    let wanted = [named, task("mcp-name"), task("x-task"), key(true), both];
    assert_eq!(config.affinity.rules, wanted);
    let (store, lifetime) = config.affinity.store.unwrap();
    assert_eq!((store.capacity, store.capacity_key), (65_536, "modern.capacity"));
    let hour = Duration::from_secs(3600);
    assert_eq!((lifetime.idle_timeout, lifetime.max_age), (hour, hour));
    assert_eq!(config.without_effect, [""; 0]);
}

#[test]
fn nothing_is_kept_of_keys_that_are_not_remembered() {
    let rules = || json!([{"key": {"header": "x-user"}}]);
    let config = parse(&with_affinity(rules(), |config| {
        config["modern"]["capacity"] = json!(8);
    }));
    assert_eq!(config.affinity.rules, [key(false)]);
    assert!(config.affinity.store.is_none());
    assert_eq!(config.without_effect, ["modern.capacity"]);
    let refusing = parse(&with_affinity(rules(), |config| {
        config["modern"]["era"] = json!("refuse");
    }));
    assert_eq!(refusing.without_effect, ["modern.affinity"]);
}

#[test]
fn what_a_mode_or_a_store_cannot_do_is_a_mistake() {
    let key = json!({"key": {"header": "x-user"}});
    let remembered = json!({"key": {"header": "x-user"}, "remember": true});
    let named = json!({"pod_in": {"header": "x-cart"}});
    let sealed: fn(&mut Value) = |config| {
        config["store"] = json!({"kind": "sealed", "keys_env": "KEYS"});
        config["session"] = json!({});
        config.as_object_mut().unwrap().remove("sse_paths");
    };
    let endpoint: fn(&mut Value) = |config| config["steer"] = json!("endpoint");
    let both: fn(&mut Value) = |config| {
        config["store"] = json!({"kind": "sealed", "keys_env": "KEYS"});
        config["session"] = json!({});
        config.as_object_mut().unwrap().remove("sse_paths");
        config["steer"] = json!("endpoint");
    };
    parse(&with_affinity(json!([key]), sealed));
    parse(&with_affinity(json!([remembered]), endpoint));
    let task = json!({"task": {}});
    parse(&with_affinity(json!([task]), endpoint));
    for (rule, change, wanted) in [
        (&task, sealed, "modern.affinity[0].task: does not go with store.kind sealed"),
        (&remembered, sealed, "modern.affinity[0].remember: does not go with store.kind sealed"),
        (&key, endpoint, "modern.affinity[0].remember: has to be true: steer endpoint has Envoy"),
        (&key, both, "modern.affinity[0].key: has to be remembered where Envoy picks"),
        (&named, endpoint, "modern.affinity[0].pod_in: steer endpoint knows no pod by its name"),
    ] {
        let found = mistakes(&with_affinity(json!([rule]), change));
        assert!(found.contains(wanted), "{wanted}\nnot in\n{found}");
    }
}

#[test]
fn each_mistake_about_a_rule_is_named() {
    for (rules, wanted) in [
        (json!({}), "modern.affinity: is not a list of rules"),
        (json!(["x-user"]), "modern.affinity[0]: a string is not an object"),
        (json!([{}]), "modern.affinity[0]: is not one of key, pod_in, task"),
        (
            json!([{"key": {"header": "a"}, "pod_in": {"header": "b"}}]),
            "modern.affinity[0]: is not one of key, pod_in, task",
        ),
        (json!([{"key": "x-user"}]), "modern.affinity[0].key: is not {"),
        (json!([{"key": {"header": "authorization"}}]), "modern.affinity[0].key: names the header"),
        (
            json!([{"key": {"header": "a"}, "remember": "1h"}]),
            "modern.affinity[0].remember: \"1h\" is not true or false",
        ),
        (
            json!([{"key": {"header": "a"}}, {"hash": 1}]),
            "modern.affinity[1].hash: unknown key; known here are ",
        ),
        (json!([{"task": true}]), "modern.affinity[0].task: a boolean is not an object"),
        (json!([{"task": {"id_header": "X"}}]), "modern.affinity[0].task.id_header: "),
        (json!([{"task": {}, "remember": true}]), "modern.affinity[0].remember: "),
        (json!([{"pod_in": {}}]), "modern.affinity[0].pod_in.header: missing"),
        (json!([{"pod_in": {"header": "X"}}]), "modern.affinity[0].pod_in.header: "),
        (json!([{"pod_in": {"header": "a"}, "remember": true}]), "modern.affinity[0].remember: "),
    ] {
        let found = mistakes(&with_affinity(rules, |_| {}));
        assert!(found.contains(wanted), "{wanted}\nnot in\n{found}");
    }
    let idle = with_affinity(json!([]), |config| config["modern"]["idle_timeout"] = json!("25h"));
    assert!(
        mistakes(&idle).contains("modern.idle_timeout: 25h is longer than modern.max_age, 24h")
    );
}
