mod address;

use super::*;
use crate::host::Secret;
use crate::identity::Claim;
use crate::mutation::mutated;
use crate::pods::Ordinal;
use crate::store::{Dialect, OnError};
use proptest::prelude::*;
use serde_json::json;

/// The example of the README, with every key there is.
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
             scope, paths, sse_paths, on_unreachable"
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
    let mut sealed = with_store(json!({"kind": "sealed", "keys": keys(), "remember_ended": 8}));
    sealed.as_object_mut().unwrap().remove("sse_paths");
    let bind_to = json!([[{"property": ["a", "b"]}, {"header": "x-user"}], {"header": "x-peer"}]);
    sealed["session"] = json!({"max_age": "24h", "bind_to": bind_to, "require_subject": true});
    [whole_config(), with_store(redis), with_store(upstash), sealed]
        .map(|config| config.to_string())
}

fn keys() -> Value {
    json!([{"id": "new", "key": KEY}, {"id": "old", "key": OLD_KEY}])
}

fn sealed(change: impl FnOnce(&mut Value)) -> Value {
    let mut config: Value = serde_json::from_str(&valid()[3]).unwrap();
    change(&mut config);
    config
}

#[test]
fn keys_are_given_or_named() {
    let given = parse(&sealed(|_| {}));
    assert_eq!(given.plain_secrets, ["store.keys"]);
    let mut named = parse(&sealed(|config| {
        config["store"] = json!({"kind": "sealed", "keys_env": "KEYS", "remember_ended": 8});
    }));
    assert_eq!(named.plain_secrets, [""; 0]);
    named.plain_secrets = given.plain_secrets.clone();
    assert_eq!(format!("{named:?}"), format!("{given:?}"));
    for secret in [KEY, OLD_KEY] {
        assert!(!format!("{given:?}").contains(secret));
    }
    // What is set elsewhere is checked there.
    parse(&sealed(|config| config["store"] = json!({"kind": "sealed", "keys_env": "ELSEWHERE"})));
}

#[test]
fn what_does_not_go_with_sealed_ids_is_a_mistake() {
    for (about, change, wanted) in [
        ("no keys", json!({"kind": "sealed"}), "store.keys: missing; so is keys_env"),
        ("an empty ring", json!({"kind": "sealed", "keys": []}), "store.keys: has no key"),
        (
            "a short key",
            json!({"kind": "sealed", "keys": [{"id": "a", "key": "c2hvcnQ="}]}),
            "store.keys[0].key: has 5 bytes, not 32",
        ),
        (
            "a known key",
            json!({"kind": "sealed", "keys": [{"id": "a", "key": "0".repeat(64)}]}),
            "store.keys[0].key: is not random; make one by: openssl rand -base64 32",
        ),
        (
            "a key twice",
            json!({"kind": "sealed", "keys": [{"id": "a", "key": KEY}, {"id": "b", "key": KEY}]}),
            "store.keys: 1 and 2 are the same key, or have the same id",
        ),
        (
            "an id twice",
            json!({"kind": "sealed", "keys": [{"id": "a", "key": KEY}, {"id": "a", "key": OLD_KEY}]}),
            "store.keys: 1 and 2 are the same key, or have the same id",
        ),
        (
            "both",
            json!({"kind": "sealed", "keys": keys(), "keys_env": "KEYS"}),
            "store.keys_env: does not go with keys",
        ),
        (
            "no variable",
            json!({"kind": "sealed", "keys_env": "NOTHING"}),
            "store.keys_env: names no variable that is set here; Envoy has to have it, and \
             vm_config.environment_variables.host_env_keys to name it",
        ),
        (
            "another form",
            json!({"kind": "sealed", "keys_env": "GARBAGE"}),
            "store.keys_env: is not a list of keys such as id:base64, separated by commas or white \
             space",
        ),
        (
            "a table",
            json!({"kind": "sealed", "keys": keys(), "capacity": 9}),
            "store.capacity: unknown key; known here are kind, remember_ended, keys, keys_env",
        ),
    ] {
        assert_eq!(mistakes(&sealed(|config| config["store"] = change)), wanted, "{about}");
    }
    let sse = sealed(|config| config["sse_paths"] = json!(["/sse"]));
    assert!(mistakes(&sse).starts_with("sse_paths: does not go with store.kind sealed"));
    let counted = sealed(|config| config["placement"]["policy"] = json!("least_sessions"));
    assert!(mistakes(&counted).contains("placement.policy: least_sessions does not go with"));
    let idle = parse(&sealed(|config| config["session"]["idle_timeout"] = json!("1h")));
    assert_eq!(idle.without_effect, ["session.idle_timeout"]);
    assert_eq!(idle.lifetime.idle_timeout, idle.lifetime.max_age);
}

#[test]
fn secrets_are_named_in_the_environment() {
    let redis = |fields: Value| {
        let mut store = json!({"kind": "redis", "cluster": "webdis"});
        store.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        with_store(store)
    };
    let secret = |config: &Value| parse(config).store.redis.unwrap().authorization;
    for (plain, named) in [
        (
            json!({"user": "a", "password": "s3cret"}),
            json!({"user": "a", "password_env": "PASSWORD"}),
        ),
        (
            json!({"dialect": "upstash", "token": "s3cret"}),
            json!({"dialect": "upstash", "token_env": "PASSWORD"}),
        ),
    ] {
        let (plain, named) = (redis(plain), redis(named));
        assert_eq!(secret(&plain), secret(&named));
        assert_eq!((parse(&plain).plain_secrets.len(), parse(&named).plain_secrets.len()), (1, 0));
    }
    for (fields, wanted) in [
        (
            json!({"user": "a", "password_env": "9"}),
            "store.password_env: is not the name of an environment variable",
        ),
        (json!({"password_env": "PASSWORD"}), "store.user: missing"),
        (json!({"keys": [{"id": "a b", "key": KEY}]}), "store.keys[0].id: is not 1 to 64"),
    ] {
        let mistakes = mistakes(&redis(fields));
        assert!(mistakes.contains(wanted), "{mistakes}");
        assert!(!mistakes.contains(KEY));
    }
    // What stands in the wrong place.
    for store in [
        json!({"kind": "sealed", "keys_env": KEY}),
        json!({"kind": "sealed", "keys_env": format!("a:{KEY}")}),
        json!({"kind": "sealed", "keys": [{"id": OLD_KEY, "key": "a"}]}),
        json!({"kind": "sealed", "keys_env": "SWAPPED"}),
        json!({"kind": "redis", "cluster": "a", "user": "u", "password_env": "hunter2"}),
    ] {
        let mistakes = mistakes(&sealed(|config| config["store"] = store));
        for secret in [KEY, OLD_KEY, "hunter2"] {
            assert!(!mistakes.contains(secret), "{mistakes}");
        }
    }
}

#[test]
fn a_redis_that_others_write_to_goes_with_addresses_if_records_are_signed() {
    let mut config = with_store(json!({"kind": "redis", "cluster": "webdis"}));
    config["steer"] = json!("original_dst");
    config["workload"] = json!({"addresses": ["10.0.0.0/16"], "port": 8080});
    config["placement"] = json!({});
    config["scope"] = json!("a");
    assert!(mistakes(&config).contains("unless store.keys sign its records"));
    config["store"]["keys_env"] = json!("KEYS");
    assert!(parse(&config).store.redis.unwrap().keyring.is_some());
}

#[test]
fn what_a_session_is_bound_to_is_read_in_order() {
    let bind_to = |bind_to: Value| sealed(|config| config["session"]["bind_to"] = bind_to);
    let read = parse(&sealed(|_| {})).bind_to;
    let property = Claim::Property(vec!["a".to_owned(), "b".to_owned()]);
    let header = |name: &str| Claim::Header(name.to_owned());
    assert_eq!(read.entries, [vec![property, header("x-user")], vec![header("x-peer")]]);
    let shape = r#"is not {"property": ["…", …]} or {"header": "…"}, or a list of these"#;
    for (entry, wanted) in [
        (json!("x-user"), shape),
        (json!({"header": "x-user", "property": ["a"]}), shape),
        (json!({"header": 1}), shape),
        (json!([]), "has no claim"),
        (json!({"property": []}), "names no property"),
        (json!({"property": ["a", ""]}), "names no property"),
        (json!({"header": "X-User"}), "names no header"),
        (json!({"header": "authorization"}), "or which is not the same in all of a session"),
        (json!({"header": "x-podpin-user"}), "which clients set"),
        (json!({"property": ["request", "headers", "x-user"]}), "for headers there is header"),
        (json!({"property": ["connection", "id"]}), "which is not the same"),
    ] {
        let mistakes = mistakes(&bind_to(json!([entry])));
        assert!(
            mistakes.contains("session.bind_to[0]: ") && mistakes.contains(wanted),
            "{mistakes}"
        );
    }
    let nobody = mistakes(&bind_to(json!([])));
    assert!(nobody.contains("session.require_subject: session.bind_to does not say"), "{nobody}");
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
