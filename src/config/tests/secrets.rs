//! Keys, passwords, and what sessions are bound to.

use super::*;

pub(super) fn keys() -> Value {
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
