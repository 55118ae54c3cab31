mod address;
mod modern;
mod secrets;

use super::*;
use crate::host::Secret;
use crate::identity::Claim;
use crate::mutation::mutated;
use crate::pods::Ordinal;
use crate::store::{Dialect, OnError};
use proptest::prelude::*;
use serde_json::json;

/// A configuration by name, with the keys that it may have.
fn whole_config() -> Value {
    json!({
        "workload": {
            "stateful_set": "myserver", "service": "mcp-myserver-headless",
            "namespace": "default", "replicas": 3, "port": 8080,
            "cluster_domain": "cluster.local", "first_ordinal": 0,
        },
        "scope": "default/myserver",
        "steer": "authority",
        "store": {"kind": "shared_data", "capacity": 65536},
        "session": {"idle_timeout": "2h", "max_age": "24h"},
        "placement": {"policy": "random", "drain": [], "eject": "10s"},
        "probe": {"timeout": "1s"},
        "paths": ["/mcp", "/mcp/"],
        "sse_paths": ["/sse", "/message", "/messages", "/messages/"],
        "on_unreachable": "not_found",
        "modern": {"era": "pass"},
    })
}

/// The environment of these tests.
fn variable(name: &str) -> Variable {
    match name {
        "PASSWORD" => Variable::Is(Secret("s3cret".to_owned())),
        "KEYS" => Variable::Is(Secret(format!("new:{KEY}\nold:{OLD_KEY}\n"))),
        "GARBAGE" => Variable::Is(Secret("new".to_owned())),
        "SWAPPED" => Variable::Is(Secret(format!("{KEY}:new"))),
        "ELSEWHERE" => Variable::Elsewhere,
        _ => Variable::Missing,
    }
}

const KEY: &str = "1f8b0a44c0e94d6e93d2a8b7516c3fe207bb5a19de7184f69c0d52e8ab36417f";
const OLD_KEY: &str = "5Yb0n8mQ3tLr1WcVxKf7oZ2uAe9sJd4hGi6pNqRTyBE=";

fn parse(config: &Value) -> Config {
    Config::parse(config.to_string().as_bytes(), &variable).expect("no mistake")
}

fn mistakes(config: &Value) -> String {
    match Config::parse(config.to_string().as_bytes(), &variable) {
        Ok(config) => panic!("no mistake in {config:?}"),
        Err(mistakes) => mistakes.to_string(),
    }
}

#[test]
fn what_is_left_out_has_the_value_that_the_example_shows() {
    let least = json!({"workload": {
        "stateful_set": "myserver", "service": "mcp-myserver-headless", "namespace": "default",
        "replicas": 3, "port": 8080,
    }});
    let mut whole = whole_config();
    whole.as_object_mut().unwrap().remove("sse_paths");
    let [least, whole] = [least, whole].map(|config| format!("{:?}", parse(&config)));
    assert_eq!(least, whole);
}

#[test]
fn keys_that_nothing_acts_on_are_told_apart() {
    assert_eq!(parse(&whole_config()).without_effect, [""; 0]);
    let mut config = whole_config();
    config["steer"] = json!("endpoint");
    let names = ["service", "replicas", "cluster_domain", "first_ordinal", "port"];
    let mut wanted = names.map(|key| format!("workload.{key}")).to_vec();
    wanted.extend(["placement.policy", "placement.eject"].map(str::to_owned));
    assert_eq!(parse(&config).without_effect, wanted);
    config["steer"] = json!("authority");
    config["workload"]["addresses"] = json!(["10.244.0.0/16"]);
    assert_eq!(parse(&config).without_effect, ["workload.addresses"]);
}

#[test]
fn mistakes_take_one_line_whatever_keys_are_called() {
    for (config, wanted) in [
        (r#"{"workload":{},"a\nb":1}"#, r"a\nb: unknown key"),
        (r#"{"workload":{"\r":1}}"#, r"workload.\r: unknown key"),
        (r#"{"\u0007":1,"\u0007":2}"#, r"occurs twice"),
    ] {
        let mistakes = Config::parse(config.as_bytes(), &variable).unwrap_err().to_string();
        assert!(mistakes.contains(wanted) && !mistakes.contains(char::is_control), "{mistakes:?}");
    }
}

#[test]
fn each_mistake_is_named_with_its_key_and_value() {
    let label = "is not a DNS label of a-z, 0-9 and -";
    for (pointer, value, wanted) in [
        ("", json!([]), "configuration: a list is not an object"),
        ("/workload", json!(3), "workload: a number is not an object"),
        ("/workload/stateful_set", json!("My"), &format!("workload.stateful_set: \"My\" {label}")),
        ("/workload/stateful_set", json!(""), &format!("workload.stateful_set: \"\" {label}")),
        ("/workload/stateful_set", json!(1), "workload.stateful_set: 1 is not a string"),
        ("/workload/service", json!("-a"), &format!("workload.service: \"-a\" {label}")),
        ("/workload/namespace", json!("a.b"), &format!("workload.namespace: \"a.b\" {label}")),
        (
            "/workload/cluster_domain",
            json!("cluster..local"),
            "workload.cluster_domain: \"cluster..local\" is not a DNS name of labels of a-z, 0-9 and -",
        ),
        ("/workload/replicas", json!(0), "workload.replicas: 0 is outside 1..=10000"),
        ("/workload/replicas", json!(10_001), "workload.replicas: 10001 is outside 1..=10000"),
        ("/workload/replicas", json!(2.5), "workload.replicas: 2.5 is not a whole number"),
        ("/workload/replicas", json!("3"), "workload.replicas: \"3\" is not a whole number"),
        (
            "/workload/first_ordinal",
            json!(1_000_001),
            "workload.first_ordinal: 1000001 is outside 0..=1000000",
        ),
        ("/workload/port", json!(0), "workload.port: 0 is outside 1..=65535"),
        ("/workload/port", json!(65_536), "workload.port: 65536 is outside 1..=65535"),
        ("/scope", json!(""), "scope: \"\" is not 1 to 256 bytes of visible ASCII"),
        (
            "/steer",
            json!("host"),
            "steer: \"host\" is not one of authority, dynamic_host, endpoint, original_dst",
        ),
        (
            "/store/kind",
            json!("memory"),
            "store.kind: \"memory\" is not one of shared_data, redis, sealed",
        ),
        ("/store/capacity", json!(7), "store.capacity: 7 is outside 8..=4194304"),
        (
            "/session/idle_timeout",
            json!("2 hours"),
            "session.idle_timeout: \"2 hours\" is not a duration such as 250ms, 30s or 2h",
        ),
        (
            "/session/idle_timeout",
            json!("1ms"),
            "session.idle_timeout: \"1ms\" is outside 1s..=8760h",
        ),
        (
            "/session/idle_timeout",
            json!("25h"),
            "session.idle_timeout: 25h is longer than session.max_age, 24h",
        ),
        ("/session/max_age", json!("8761h"), "session.max_age: \"8761h\" is outside 1s..=8760h"),
        (
            "/placement/policy",
            json!("hash"),
            "placement.policy: \"hash\" is not one of random, least_sessions",
        ),
        ("/placement/eject", json!("500ms"), "placement.eject: \"500ms\" is outside 1s..=5m"),
        ("/probe", json!(1), "probe: a number is not an object"),
        ("/probe/timeout", json!("1h"), "probe.timeout: \"1h\" is outside 10ms..=10s"),
        (
            "/probe",
            json!({"cluster": ""}),
            "probe.cluster: \"\" is not 1 to 256 bytes of visible ASCII",
        ),
        ("/placement/drain", json!("1"), "placement.drain: \"1\" is not a list"),
        (
            "/placement/drain",
            json!([7]),
            "placement.drain[0]: 7 is outside the 3 replicas of default/myserver",
        ),
        ("/placement/drain", json!([-1]), "placement.drain[0]: -1 is not an ordinal"),
        (
            "/placement/drain",
            json!([0, 1, 2]),
            "placement.drain: leaves no pod to place a new session on",
        ),
        ("/workload/replicas", json!(-1), "workload.replicas: -1 is outside 1..=10000"),
        ("/workload/replicas", json!(1e99), "workload.replicas: 1e+99 is outside 1..=10000"),
        ("/paths", json!("/mcp"), "paths: \"/mcp\" is not a list"),
        ("/paths", json!(["mcp"]), "paths[0]: \"mcp\" is not a path such as /mcp or /v1/*"),
        ("/paths", json!(["/a?b"]), "paths[0]: \"/a?b\" is not a path such as /mcp or /v1/*"),
        (
            "/sse_paths",
            json!(["/sse", "/*/a"]),
            "sse_paths[1]: \"/*/a\" is not a path such as /mcp or /v1/*",
        ),
        ("/modern", json!([]), "modern: a list is not an object"),
        ("/modern/era", json!("legacy"), "modern.era: \"legacy\" is not one of pass, refuse"),
        ("/on_unreachable", json!(404), "on_unreachable: 404 is not one of not_found, unavailable"),
    ] {
        let mut config = whole_config();
        *config.pointer_mut(pointer).unwrap() = value;
        let found = mistakes(&config);
        assert!(found.split("; ").any(|mistake| mistake == wanted), "{wanted}\nnot in\n{found}");
    }
}

fn with_store(store: Value) -> Value {
    let mut config = whole_config();
    config["store"] = store;
    config
}

/// The default idle timeout is no mistake of whoever sets the other one.
#[test]
fn sessions_that_live_shortly_idle_no_longer() {
    let mut config = whole_config();
    config["session"] = json!({"max_age": "1h"});
    let hour = Duration::from_secs(3600);
    assert_eq!(parse(&config).lifetime, Lifetime { idle_timeout: hour, max_age: hour });
}

#[test]
fn a_redis_needs_its_cluster_only() {
    let config = parse(&with_store(json!({"kind": "redis", "cluster": "webdis"})));
    let redis = config.store.redis.expect("a Redis");
    assert_eq!((redis.cluster.as_str(), redis.authority.as_str()), ("webdis", "webdis"));
    assert_eq!((redis.timeout, redis.key_prefix.as_str()), (Duration::from_millis(250), "podpin:"));
    assert_eq!((redis.dialect, redis.on_error), (Dialect::Webdis, OnError::Fail));
    assert_eq!((redis.authorization, config.store.capacity), (None, 65_536));
}

#[test]
fn credentials_become_a_header_and_are_shown_nowhere() {
    for (store, wanted) in [
        (
            json!({"kind": "redis", "cluster": "a", "user": "Aladdin", "password": "open sesame"}),
            "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==",
        ),
        (
            json!({"kind": "redis", "cluster": "a", "dialect": "upstash", "token": "secret"}),
            "Bearer secret",
        ),
    ] {
        let config = parse(&with_store(store));
        let shown = format!("{config:?}");
        assert!(!shown.contains("sesame") && !shown.contains(wanted), "{shown}");
        assert_eq!(config.store.redis.unwrap().authorization.unwrap().0, wanted);
    }
}

#[test]
fn each_mistake_about_a_redis_is_named() {
    let redis = |more: Value| {
        let mut store = json!({"kind": "redis", "cluster": "webdis"});
        store.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        mistakes(&with_store(store))
    };
    let known = "known here are kind, capacity";
    for (found, wanted) in [
        (mistakes(&with_store(json!({"kind": "redis"}))), "store.cluster: missing".to_owned()),
        (
            mistakes(&with_store(json!({"cluster": "webdis"}))),
            format!("store.cluster: unknown key; {known}"),
        ),
        (
            redis(json!({"cluster": ""})),
            "store.cluster: \"\" is not 1 to 256 bytes of visible ASCII".to_owned(),
        ),
        (
            redis(json!({"authority": "a b"})),
            "store.authority: \"a b\" is not 1 to 256 bytes of visible ASCII".to_owned(),
        ),
        (
            redis(json!({"timeout": 250})),
            "store.timeout: 250 is not a duration such as 250ms, 30s or 2h".to_owned(),
        ),
        (redis(json!({"timeout": "0ms"})), "store.timeout: \"0ms\" is outside 1ms..=1m".to_owned()),
        (redis(json!({"key_prefix": 1})), "store.key_prefix: 1 is not a string".to_owned()),
        (
            redis(json!({"dialect": "resp"})),
            "store.dialect: \"resp\" is not one of webdis, upstash".to_owned(),
        ),
        (
            redis(json!({"on_error": "retry"})),
            "store.on_error: \"retry\" is not one of fail, continue".to_owned(),
        ),
        (redis(json!({"user": "a"})), "store.password: missing".to_owned()),
        (redis(json!({"password": "a"})), "store.user: missing".to_owned()),
        (redis(json!({"user": "a:b", "password": "c"})), "store.user: has a colon".to_owned()),
        (
            redis(json!({"user": "a", "password": 12345})),
            "store.password: is not a string of 1 to 4096 bytes of ASCII".to_owned(),
        ),
        (
            redis(json!({"token": "secret"})),
            format!(
                "store.token: unknown key; {known}, cluster, authority, timeout, key_prefix, \
                 dialect, user, password, password_env, on_error, keys, keys_env"
            ),
        ),
        (
            redis(json!({"dialect": "upstash", "user": "a", "password": "b"})),
            format!(
                "store.password: unknown key; {known}, cluster, authority, timeout, key_prefix, \
                 dialect, token, token_env, on_error, keys, keys_env"
            ),
        ),
    ] {
        let found: Vec<_> = found.split("; store").collect();
        assert_eq!(found[0], wanted);
    }
}

/// As a template makes one of it that quotes a section, or all of it, once too often.
#[test]
fn a_refusal_shows_no_secret_wherever_it_stands() {
    let store = json!({"kind": "redis", "cluster": "c", "user": "u", "password": "s3cret"});
    let quoted = Value::from(store.to_string());
    let whole = with_store(store.clone());
    for (about, config) in [
        ("a quoted section", with_store(quoted.clone())),
        ("a section in a list", with_store(json!([store]))),
        ("a quoted configuration", Value::from(whole.to_string())),
        ("a configuration in a list", json!([whole])),
        ("a section in place of a string", with_store(json!({"kind": "redis", "cluster": store}))),
        ("a section in place of a word", with_store(json!({"kind": store}))),
        ("a section in place of a number", with_store(json!({"capacity": store}))),
        (
            "a section in place of a duration",
            with_store(json!({"kind": "redis", "cluster": "c", "timeout": store})),
        ),
        ("a section within a list", json!({"paths": [store]})),
        (
            "a secret that is no string",
            with_store(
                json!({"kind": "redis", "cluster": "c", "user": ["s3cret"], "password": {"s3cret": 1}}),
            ),
        ),
    ] {
        let found = mistakes(&config);
        assert!(!found.contains("s3cret"), "{about}: {found}");
    }
    assert_eq!(mistakes(&with_store(quoted)), "store: a string is not an object");
}

#[test]
fn all_mistakes_are_named_in_one_line() {
    let mut config = whole_config();
    config["workload"]["replicas"] = json!(0);
    config["workload"]["replica"] = json!(3);
    config["workload"].as_object_mut().unwrap().remove("port");
    config["session"]["idle_timeout"] = json!("2 hours");
    config["stickiness"] = json!(true);
    let known = "stateful_set, service, namespace, cluster_domain, replicas, first_ordinal, port, \
                 addresses";
    assert_eq!(
        mistakes(&config),
        format!(
            "workload.port: missing; workload.replicas: 0 is outside 1..=10000; \
             workload.replica: unknown key; known here are {known}; \
             session.idle_timeout: \"2 hours\" is not a duration such as 250ms, 30s or 2h; \
             stickiness: unknown key; known here are steer, workload, store, session, placement, probe, \
             scope, paths, sse_paths, on_unreachable, modern"
        )
    );
}

#[test]
fn a_text_that_is_no_configuration_is_said_to_be_none() {
    for (text, wanted) in [
        ("", "configuration: missing"),
        (" \n", "configuration: missing"),
        ("steer: authority", "configuration: not JSON: expected value at line 1 column 1"),
        ("{}", "workload: missing"),
        (
            r#"{"steer":"authority","steer":"dynamic_host"}"#,
            r#"configuration: not JSON: key "steer" occurs twice at line 1 column 44"#,
        ),
    ] {
        let mistakes = Config::parse(text.as_bytes(), &variable).unwrap_err().to_string();
        assert_eq!(mistakes.split("; ").next(), Some(wanted));
    }
}

#[test]
fn names_that_dns_cannot_hold_are_a_mistake() {
    let mut config = whole_config();
    config["workload"]["stateful_set"] = json!("a".repeat(62));
    assert!(mistakes(&config).contains("is longer than 63 bytes"));
    config["workload"]["stateful_set"] = json!("a".repeat(61));
    config["workload"]["cluster_domain"] = json!(["a"; 100].join("."));
    assert!(mistakes(&config).contains("is longer than 253 bytes"));
}

/// Kubernetes, StatefulSets, "Start ordinal".
#[test]
fn ordinals_may_begin_anywhere() {
    let mut config = whole_config();
    config["workload"]["first_ordinal"] = json!(5);
    config["placement"]["drain"] = json!([5, 7]);
    let steering = parse(&config).steering;
    let placement = &steering.pods().unwrap().placement;
    for random in [0, u64::MAX / 2, u64::MAX] {
        assert_eq!(placement.draw(|| random, |_| false), Some(Ordinal(6)));
    }
    config["placement"]["drain"] = json!([2]);
    let wanted = "placement.drain[0]: 2 is outside the 3 replicas of default/myserver";
    assert_eq!(mistakes(&config), wanted);
}

#[test]
fn a_number_may_come_as_a_whole_float() {
    let mut config = whole_config();
    config["workload"]["replicas"] = json!(3.0);
    let with_float = format!("{:?}", parse(&config));
    assert_eq!(with_float, format!("{:?}", parse(&whole_config())));
}

/// With everything there is, in both kinds of store.
fn valid() -> [String; 4] {
    let redis = json!({
        "kind": "redis", "cluster": "webdis", "authority": "a", "timeout": "1s", "key_prefix": "p:",
        "dialect": "webdis", "user": "someone", "password": "s3cret", "on_error": "continue",
    });
    let upstash = json!({"kind": "redis", "cluster": "c", "dialect": "upstash", "token": "s3cret"});
    let mut sealed =
        with_store(json!({"kind": "sealed", "keys": secrets::keys(), "remember_ended": 8}));
    sealed.as_object_mut().unwrap().remove("sse_paths");
    let bind_to = json!([[{"property": ["a", "b"]}, {"header": "x-user"}], {"header": "x-peer"}]);
    sealed["session"] = json!({"max_age": "24h", "bind_to": bind_to, "require_subject": true});
    [whole_config(), with_store(redis), with_store(upstash), sealed]
        .map(|config| config.to_string())
}

proptest! {
    #[test]
    fn what_is_almost_a_configuration_is_read_or_refused_with_a_reason(bytes in mutated(valid())) {
        match Config::parse(&bytes, &variable) {
            Ok(config) => prop_assert!(config.lifetime.idle_timeout <= config.lifetime.max_age),
            Err(mistakes) => prop_assert!(mistakes.to_string().contains(": ")),
        }
    }

    #[test]
    fn any_value_anywhere_is_read_or_named(
        pointer in "/(workload|store|session|placement)/(replicas|port|capacity|idle_timeout|max_age|drain|stateful_set|first_ordinal|kind|cluster|timeout)|/(steer|scope|paths|sse_paths|on_unreachable|workload|store)",
        value in prop_oneof![
            any::<f64>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
            prop::collection::vec(any::<i64>(), 0..4).prop_map(Value::from),
            Just(Value::Null),
            Just(json!({})),
        ],
    ) {
        let mut config = whole_config();
        let mut place = &mut config;
        for key in pointer.split('/').skip(1) {
            place = &mut place[key];
        }
        *place = value;
        if let Err(mistakes) = Config::parse(config.to_string().as_bytes(), &variable) {
            let key = pointer.split('/').nth(1).unwrap();
            prop_assert!(mistakes.to_string().contains(key), "{} does not name {}", mistakes, key);
        }
    }
}
