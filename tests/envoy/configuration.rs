//! A wrong configuration never serves; a changed one keeps what is open.

use std::fs;

use kit::bootstrap::{Bootstrap, MODULE, publish};
use kit::client::Session;
use kit::envoy::validate;
pub(crate) use kit::listeners::{by_file, listener};
use kit::root;
use kit::setup::on_free_ports;
use kit::wait::until;
use serde_json::{Value, json};

fn example(change: impl FnOnce(&mut Value)) -> Bootstrap {
    Bootstrap::example("envoy.yaml").expect("the main example").plugin(change)
}

/// Each field in turn, and all at once.
#[test]
fn a_broken_configuration_refuses_to_load_and_names_every_mistake_in_one_line() {
    let broken = [
        ("/workload", json!("myserver"), "workload: a string is not an object"),
        ("/workload/stateful_set", json!("My_Server"), "workload.stateful_set: \"My_Server\""),
        ("/workload/service", json!(""), "workload.service: \"\""),
        ("/workload/namespace", json!(null), "workload.namespace: null is not a string"),
        ("/workload/replicas", json!(0), "workload.replicas: 0 is outside 1..=10000"),
        ("/workload/port", json!(80800), "workload.port: 80800 is outside 1..=65535"),
        ("/workload/cluster_domain", json!("a..b"), "workload.cluster_domain: \"a..b\""),
        ("/scope", json!("a b"), "scope: \"a b\""),
        ("/steer", json!("host"), "steer: \"host\" is not one of authority, dynamic_host"),
        ("/store", json!([]), "store: a list is not an object"),
        ("/store/kind", json!("memory"), "store.kind: \"memory\""),
        ("/store/capacity", json!(-1), "store.capacity: -1 is outside 8..=4194304"),
        ("/session/idle_timeout", json!("2 hours"), "session.idle_timeout: \"2 hours\""),
        ("/session/max_age", json!(24), "session.max_age: 24 is not a duration"),
        ("/placement/policy", json!("best"), "placement.policy: \"best\""),
        ("/placement/drain", json!([3]), "placement.drain[0]: 3 is outside the 3 replicas"),
        ("/paths", json!([]), "paths: is empty"),
        ("/sse_paths", json!(["sse"]), "sse_paths[0]: \"sse\" is not a path"),
        ("/on_unreachable", json!("retry"), "on_unreachable: \"retry\""),
        ("/stickiness", json!(true), "stickiness: unknown key"),
    ];
    for (pointer, value, wanted) in &broken {
        let line = refusal(&example(|plugin| set(plugin, pointer, value.clone())));
        assert!(line.contains(wanted), "{wanted}\nnot in\n{line}");
    }
    // Not a whole section in place of the fields that lie in it.
    let fields = broken.iter().filter(|(pointer, ..)| !["/workload", "/store"].contains(pointer));
    let line = refusal(&example(|plugin| {
        fields.clone().for_each(|(pointer, value, _)| set(plugin, pointer, value.clone()));
    }));
    // How many replicas there are is not known, so no ordinal is outside of them.
    for (_, _, wanted) in fields.filter(|(pointer, ..)| *pointer != "/placement/drain") {
        assert!(line.contains(wanted), "{wanted}\nnot in\n{line}");
    }
}

#[test]
fn a_broken_store_refuses_to_load_and_names_every_mistake_in_one_line() {
    let refused = |store: &[(&str, Value)]| {
        let example = Bootstrap::example("redis.yaml").expect("the example with a Redis");
        refusal(&example.plugin(|plugin| {
            store.iter().for_each(|(key, value)| plugin["store"][key] = value.clone());
        }))
    };
    let broken = [
        (("cluster", json!("")), "store.cluster: \"\""),
        (("authority", json!("a b")), "store.authority: \"a b\""),
        (("timeout", json!("0ms")), "store.timeout: \"0ms\" is outside 1ms..=1m"),
        (("key_prefix", json!(1)), "store.key_prefix: 1 is not a string"),
        (("dialect", json!("resp")), "store.dialect: \"resp\" is not one of webdis, upstash"),
        (("token", json!("secret")), "store.token: unknown key"),
        (("user", json!("a:b")), "store.user: has a colon"),
        (("on_error", json!("retry")), "store.on_error: \"retry\" is not one of fail, continue"),
    ];
    for (field, wanted) in &broken {
        let line = refused(std::slice::from_ref(field));
        assert!(line.contains(wanted), "{wanted}\nnot in\n{line}");
    }
    let line = refused(&broken.clone().map(|(field, _)| field));
    assert!(broken.iter().all(|(_, wanted)| line.contains(wanted)), "{line}");
}

fn set(plugin: &mut Value, pointer: &str, value: Value) {
    let mut place = plugin;
    for key in pointer.split('/').skip(1) {
        place = &mut place[key];
    }
    *place = value;
}

/// The one line in which the filter says why it does not start.
fn refusal(bootstrap: &Bootstrap) -> String {
    let output = validate(bootstrap).expect("Envoy runs");
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "Envoy took a broken configuration:\n{log}");
    let lines: Vec<_> = log.lines().filter(|line| line.contains("configuration refused")).collect();
    assert_eq!(lines.len(), 1, "{log}");
    lines[0].to_owned()
}

/// The listener comes from a file, as it would from a control plane, and is replaced while it
/// serves.
#[tokio::test(flavor = "multi_thread")]
async fn every_change_of_the_configuration_keeps_open_sessions() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("listeners.json");
    let setup = super::changed(|example| {
        let first = example.clone().plugin(|plugin| plugin["workload"]["replicas"] = json!(2));
        publish(&[listener(&first)], &file);
        by_file(example, &file)
    })
    .await;
    let on_free_ports =
        |example| on_free_ports(example, &setup.pods, &setup.dns).expect("an example");
    // The same with one more section, which has no effect: id 0, one byte long, a name of none.
    let module = directory.path().join("podpin.wasm");
    let built = fs::read(root().join(MODULE)).expect("the module is built");
    fs::write(&module, [&built[..], &[0, 1, 0]].concat()).unwrap();
    let changed = |change: fn(&mut Value)| on_free_ports("envoy.yaml").plugin(change);
    let changes = [
        ("more replicas", changed(|plugin| plugin["workload"]["replicas"] = json!(3))),
        ("fewer replicas", changed(|plugin| plugin["workload"]["replicas"] = json!(1))),
        ("a larger table", changed(|plugin| plugin["store"] = json!({"capacity": 1_000_000}))),
        ("a smaller table", changed(|plugin| plugin["store"] = json!({"capacity": 1000}))),
        (
            "other lifetimes",
            changed(|plugin| plugin["session"] = json!({"idle_timeout": "10m", "max_age": "1h"})),
        ),
        ("a drained pod", changed(|plugin| plugin["placement"] = json!({"drain": [0]}))),
        ("more paths", changed(|plugin| plugin["paths"] = json!(["/mcp", "/v1/*"]))),
        ("another steering", on_free_ports("dynamic-host.yaml")),
        ("another module", changed(|_| {}).with_module(&module)),
        ("the first again", changed(|_| {})),
    ];

    let url = setup.envoy.url("/mcp");
    let open = || async {
        // Each request on a connection of its own: one that stays would stay with the old listener.
        let http = reqwest::Client::builder().pool_max_idle_per_host(0).build().unwrap();
        let session = Session::open(http, &url).await.expect("a session opens");
        (session, 0)
    };
    let mut sessions = Vec::new();
    for _ in 0..6 {
        sessions.push(open().await);
    }
    for (number, (about, bootstrap)) in changes.iter().enumerate() {
        publish(&[listener(bootstrap)], &file);
        until(about, || async {
            let stats = setup.envoy.stats("listener_manager").await.ok()?;
            let updated = stats["listener_manager.lds.update_success"] == number as u64 + 2;
            (updated && stats["listener_manager.total_listeners_warming"] == 0).then_some(())
        })
        .await;
        sessions.push(open().await);
        for (session, count) in &mut sessions {
            *count += 1;
            assert_eq!(session.count().await.expect(about), *count, "{about}");
        }
    }
    assert_eq!(setup.envoy.counter("bound").await, sessions.len() as u64);
    for lost in ["unknown", "expired", "lost", "evicted"] {
        assert_eq!(setup.envoy.counter(lost).await, 0, "{lost}");
    }
}
