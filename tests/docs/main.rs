//! The documentation says what is so: every snippet is run or loaded, every table compared.

mod links;
mod observability;
mod pages;
mod shown;

use std::collections::BTreeSet;
use std::fs;
use std::sync::OnceLock;

use kit::bootstrap::{Bootstrap, MODULE};
use kit::envoy::{minor, validate};
use kit::mode::Mode;
use kit::root;
use kit::tls::Tls;
use podpin::config::Config;
use podpin::telemetry::{Gauge, Metric};
use serde_json::{Value, json};

fn read(file: &str) -> String {
    fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// The snippets of a language.
fn snippets<'a>(text: &'a str, language: &str) -> Vec<&'a str> {
    let fence = format!("```{language}\n");
    text.split(&fence).skip(1).map(|rest| rest.split("```").next().unwrap()).collect()
}

/// The cells of the column `column` of the table whose first column has this heading.
fn column<'a>(text: &'a str, heading: &str, column: usize) -> Vec<&'a str> {
    let start = format!("| {heading} |");
    let rows = text.lines().skip_while(|line| !line.starts_with(&start)).skip(2);
    let rows = rows.take_while(|line| line.starts_with('|'));
    rows.map(|row| row.split('|').nth(column + 1).unwrap().trim().trim_matches('`')).collect()
}

#[test]
fn what_the_page_on_scaling_shows_asks_for_what_podpin_tells() {
    let page = read("docs/scaling.md");
    let snippets = snippets(&page, "yaml");
    let parsed = snippets.iter().map(|text| serde_yaml_ng::from_str::<Value>(text).expect("YAML"));
    let [keda, adapter, hpa]: [Value; 3] = parsed.collect::<Vec<_>>().try_into().expect("three");
    let query = keda["spec"]["triggers"][0]["metadata"]["query"].as_str().expect("a query");
    let rule = adapter["externalRules"][0]["metricsQuery"].as_str().expect("a query");
    for query in [query, rule] {
        assert!(query.starts_with("sum(max by (ordinal) (podpin_sessions{"), "{query}");
    }
    let name = &adapter["externalRules"][0]["name"]["as"];
    assert_eq!(hpa["spec"]["metrics"][0]["external"]["metric"]["name"], *name);
    assert_eq!(hpa["spec"]["scaleTargetRef"], keda["spec"]["scaleTargetRef"]);
}

/// Envoy reads the certificate that an example names.
fn trusted(example: Bootstrap) -> Bootstrap {
    match example.has_tls() {
        true => example
            .trusting(TLS.get_or_init(|| Tls::new().expect("a certificate")).authority().as_path()),
        false => example,
    }
}

static TLS: OnceLock<Tls> = OnceLock::new();

#[test]
fn every_example_loads_as_it_is() {
    let files = fs::read_dir(root().join("envoy")).expect("examples");
    let mut count = 0;
    for file in files {
        let name = file.expect("a file").file_name().into_string().expect("a name");
        let output = validate(&trusted(Bootstrap::example(&name).unwrap())).expect("Envoy runs");
        // As its page says.
        let is_too_old = name == "native.yaml" && minor().expect("a version") < 39;
        let log = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.success(), !is_too_old, "{name}: {log}");
        count += 1;
    }
    assert_eq!(count, 8);
}

/// What the access log of one shows, and does not show, all show.
#[test]
fn every_example_has_the_same_access_log() {
    let log = |name| {
        let mut example = Bootstrap::example(name).unwrap();
        example.connection_manager()["access_log"].clone()
    };
    let main = log("envoy.yaml");
    assert!(main.is_array());
    let others = ["redis.yaml", "identity.yaml"];
    for name in others.into_iter().chain(Mode::ALL.map(Mode::example)) {
        assert_eq!(log(name), main, "{name}");
    }
}

/// What one does to reach pods, all do.
#[test]
fn every_example_by_name_finds_and_reaches_pods_alike() {
    let parts = |name| {
        let mut example = Bootstrap::example(name).unwrap();
        let pods = example.take_cluster("pods");
        let mut paths = Value::Null;
        example = example.plugin(|plugin| paths = plugin["paths"].clone());
        let dns = example.filters().iter().find_map(|filter| {
            let config = &filter["typed_config"]["dns_cache_config"];
            config.is_object().then(|| config.clone())
        });
        let routes = &example.connection_manager()["route_config"]["virtual_hosts"][0]["routes"];
        let steered = routes[0]["route"].clone();
        assert_eq!((&routes[0]["name"], &steered["cluster"]), (&json!("steered"), &json!("pods")));
        (pods, example.take_cluster("myserver"), paths, dns.expect("a DNS cache"), steered)
    };
    let main = parts("envoy.yaml");
    assert_eq!(main.2, json!(["/mcp", "/mcp/"]), "some servers redirect one to the other");
    for name in ["dynamic-host.yaml", "redis.yaml", "identity.yaml"] {
        assert_eq!(parts(name), main, "{name}");
    }
}

#[test]
fn every_example_steers_as_its_mode_says() {
    for mode in Mode::ALL {
        let mut steer = Value::Null;
        let example = Bootstrap::example(mode.example()).unwrap();
        example.plugin(|plugin| steer = plugin["steer"].clone());
        assert_eq!(steer, mode.steer(), "{mode:?}");
    }
}

/// Retries of steered requests, by address, would go to any endpoint.
#[test]
fn every_example_retries_only_what_stays_on_its_pod() {
    for mode in Mode::ALL {
        let mut example = Bootstrap::example(mode.example()).unwrap();
        let routes = &example.connection_manager()["route_config"]["virtual_hosts"][0]["routes"];
        assert_eq!(routes[0]["name"], "steered", "{mode:?}");
        let retries = routes[0]["route"].get("retry_policy").is_some();
        assert_eq!(retries, !matches!(mode, Mode::Endpoint | Mode::OverrideHost), "{mode:?}");
    }
}

/// Podpin's place among the filters: Envoy's own can stand on one side of it only.
#[test]
fn every_example_has_podpin_before_what_leads_to_its_pods() {
    let (proxy, session) =
        ("envoy.filters.http.dynamic_forward_proxy", "envoy.filters.http.stateful_session");
    for (name, next) in [
        ("envoy.yaml", Some(proxy)),
        ("dynamic-host.yaml", Some(proxy)),
        ("redis.yaml", Some(proxy)),
        ("endpoint.yaml", Some(session)),
        ("override-host.yaml", None),
        ("original-dst.yaml", None),
    ] {
        let mut example = Bootstrap::example(name).unwrap();
        let filters: Vec<_> =
            example.filters().iter().filter_map(|filter| filter["name"].as_str()).collect();
        let wanted: Vec<_> =
            ["podpin"].into_iter().chain(next).chain(["envoy.filters.http.router"]).collect();
        assert_eq!(filters, wanted, "{name}");
        let text = read(&format!("envoy/{name}"));
        let comment = text.split("- name: podpin").next().unwrap().rsplit("http_filters:").next();
        for filter in ["jwt_authn", "ext_authz", "rbac", "ext_proc"] {
            assert!(comment.unwrap().contains(filter), "{name}: {filter}");
        }
    }
}

/// An operator who does what the comments of an example say.
#[test]
fn an_example_without_the_line_that_a_cluster_does_not_need_loads() {
    for name in ["redis.yaml"].into_iter().chain(Mode::ALL.map(Mode::example)) {
        let text = read(&format!("envoy/{name}"));
        let (mut kept, mut removed, mut leaving) = (String::new(), 0, None);
        for line in text.lines() {
            let depth = line.len() - line.trim_start().len();
            if line.contains("# CHANGE: in a cluster remove this line") {
                leaving = Some(depth);
                removed += 1;
            }
            match leaving {
                // The comment, the key at its depth, and what lies deeper.
                Some(from) if depth > from || line.trim_start().starts_with(['#', 'r']) => {}
                _ => {
                    leaving = None;
                    kept.push_str(line);
                    kept.push('\n');
                }
            }
        }
        assert_eq!(removed, 1, "{name}");
        assert!(!kept.contains("resolvers:"), "{name}");
        let bootstrap = Bootstrap(serde_yaml_ng::from_str(&kept).expect("YAML"))
            .with_module(&root().join(MODULE));
        let bootstrap = trusted(bootstrap);
        let output = validate(&bootstrap).expect("Envoy runs");
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn the_tables_of_the_configuration_have_every_key_and_default() {
    let page = read("docs/configuration.md");
    let least = json!({"workload": {
        "stateful_set": "myserver", "service": "a", "namespace": "default", "replicas": 3, "port": 1,
    }});
    let keys = column(&page, "key", 0);
    let mut config = least.clone();
    write_defaults(&mut config, &keys, &column(&page, "key", 1));
    same(&config, &least);
    assert_eq!(known_keys(&config), keys.iter().map(|key| (*key).to_owned()).collect());

    let mut least = least;
    least["store"] = json!({"kind": "redis", "cluster": "webdis"});
    let of_redis = column(&page, "key of a Redis", 0);
    let mut config = least.clone();
    write_defaults(&mut config, &of_redis, &column(&page, "key of a Redis", 1));
    same(&config, &least);
    let mut known = known_keys(&config);
    config["store"]["dialect"] = "upstash".into();
    known.extend(known_keys(&config));
    let written = of_redis.iter().flat_map(|cell| cell.split("`, `")).chain(keys);
    let written: BTreeSet<String> =
        written.map(str::to_owned).filter(|key| key.starts_with("store.")).collect();
    known.retain(|key| key.starts_with("store."));
    assert_eq!(known, written);

    least["store"] = json!({"kind": "sealed", "keys": [{"id": "a", "key": kit::sealed::KEY}]});
    let mut config = least.clone();
    let of_sealed = column(&page, "key of sealed ids", 0);
    write_defaults(&mut config, &of_sealed, &column(&page, "key of sealed ids", 1));
    same(&config, &least);
    let mut known = known_keys(&config);
    known.retain(|key| key.starts_with("store."));
    let written = of_sealed.iter().flat_map(|cell| cell.split("`, `")).chain(["store.kind"]);
    assert_eq!(known, written.map(str::to_owned).collect());
}

/// Writes out everything that has a default.
fn write_defaults(config: &mut Value, keys: &[&str], defaults: &[&str]) {
    for (key, default) in keys.iter().zip(defaults).filter(|(_, default)| **default != "none") {
        let place = key.split('.').fold(&mut *config, |place, part| &mut place[part]);
        match *default {
            "required" => assert!(!place.is_null(), "{key}"),
            "the cluster" => *place = "webdis".into(),
            "namespace/stateful_set" => *place = "default/myserver".into(),
            default => *place = serde_json::from_str(default).unwrap_or_else(|_| default.into()),
        }
    }
}

/// Asserts that two configurations mean the same.
fn same(one: &Value, other: &Value) {
    let [one, other] = [one, other].map(|config| {
        let mut config = Config::parse(config.to_string().as_bytes(), &kit::no_variable)
            .expect("all keys are known");
        config.without_effect.clear();
        format!("{config:?}")
    });
    assert_eq!(one, other);
}

/// All keys that the configuration knows, told by the mistake of one that it does not.
fn known_keys(config: &Value) -> BTreeSet<String> {
    let sections = ["workload", "store", "session", "placement", "probe", "modern"];
    let mut known = BTreeSet::new();
    for section in [""].into_iter().chain(sections) {
        let mut config = config.clone();
        let place = if section.is_empty() { &mut config } else { &mut config[section] };
        place["unknown"] = Value::Null;
        let mistakes = Config::parse(config.to_string().as_bytes(), &kit::no_variable)
            .unwrap_err()
            .to_string();
        let list = mistakes.split("known here are ").nth(1).expect("a list of keys");
        for key in list.split(';').next().unwrap().split(", ") {
            if section.is_empty() {
                known.insert(key.to_owned());
            } else {
                known.insert(format!("{section}.{key}"));
            }
        }
    }
    known.retain(|key| !sections.contains(&key.as_str()));
    known
}

#[test]
fn the_tables_of_behaviour_and_counters_have_every_decision_and_metric() {
    let (behaviour, operations) = (read("docs/behaviour.md"), read("docs/operations.md"));
    let mut named: BTreeSet<String> =
        column(&operations, "counter", 0).into_iter().map(str::to_owned).collect();
    for decision in column(&behaviour, "request or response", 2) {
        if !decision.is_empty() {
            named.insert(format!("podpin_{decision}_total"));
        }
    }
    let metrics: BTreeSet<_> = Metric::all().map(Metric::name).collect();
    assert_eq!(named, metrics);
    let mut gauges = Gauge::ALL.map(Gauge::name).to_vec();
    gauges.push("podpin_sessions");
    assert_eq!(column(&operations, "gauge", 0), gauges);
}
