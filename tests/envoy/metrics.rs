//! What Prometheus gets to see of the filter's metrics.

use kit::bootstrap::{Bootstrap, publish};
use kit::envoy::Envoy;
use kit::wait::until;
use podpin::session::Scope;
use podpin::telemetry::{Gauge, Metric, version};
use serde_json::{Value, json};

use super::configuration::{by_file, listener};

/// Scopes that another tag of Istio's could take a part of, or that could end their own early.
const SCOPES: [&str; 12] = [
    "default/myserver",
    "a.b..c",
    "my.cache.x.y/cache.z",
    "tag.z",
    "rbac.allowed",
    "_rq_200",
    "scope=.=x;.;podpin_steered_total",
    "http.foo;.bar",
    "x.wasm_filter.y.z",
    ".istio_dry_run_allow_",
    "a://b\"\\",
    "component.component.",
];

/// One filter for each of [`SCOPES`].
fn with_all_scopes(mut example: Bootstrap) -> Bootstrap {
    let filters = example.filters();
    let place = filters.iter().position(|filter| filter["name"] == "podpin").expect("podpin");
    let podpin = filters.remove(place);
    for (number, scope) in SCOPES.into_iter().enumerate() {
        let mut filter = podpin.clone();
        let name = json!(format!("podpin-{number}"));
        filter["name"] = name.clone();
        let config = &mut filter["typed_config"]["config"];
        config["name"] = name;
        let plugin = config["configuration"]["value"].as_str().expect("JSON");
        let mut plugin: Value = serde_json::from_str(plugin).expect("JSON");
        plugin["scope"] = scope.into();
        config["configuration"]["value"] = plugin.to_string().into();
        filters.insert(0, filter);
    }
    example
}

/// The values of the label `scope` that a metric has.
fn scopes_of(page: &str, metric: &str) -> Vec<String> {
    let series = format!("{metric}{{");
    let labels = page.lines().filter_map(|line| line.strip_prefix(&series));
    let scope = labels.filter_map(|rest| rest.split_once("scope=\"")?.1.split_once('"'));
    let mut scopes: Vec<_> = scope.map(|(scope, _)| scope.to_owned()).collect();
    scopes.sort();
    scopes
}

/// By the examples' tag and by the one that Istio writes for `extraStatTags: [scope, ordinal]`.
#[tokio::test(flavor = "multi_thread")]
async fn the_scope_of_every_metric_is_a_label_whatever_it_is() {
    // Envoy drops dots at the end of a tag's value.
    let label = |scope| Scope::new(scope).label().trim_end_matches('.').to_owned();
    let mut wanted = SCOPES.map(label).to_vec();
    wanted.sort();
    for with_stats in [|example| example, Bootstrap::with_stats_of_istio] {
        let example = Bootstrap::example("envoy.yaml").expect("the example");
        let example = example.port(kit::bootstrap::LISTENER, 0).port(kit::bootstrap::ADMIN, 0);
        let envoy = Envoy::start(&with_stats(with_all_scopes(example))).await.expect("Envoy");
        let page = envoy.prometheus().await.expect("the page for Prometheus");
        for metric in Metric::all().map(Metric::name) {
            assert_eq!(scopes_of(&page, &metric), wanted, "{metric}");
        }
        for gauge in Gauge::ALL.map(Gauge::name) {
            assert_eq!(scopes_of(&page, gauge), wanted, "{gauge}");
        }
        let running = format!("podpin_version{{scope=\"default/myserver\"}} {}", version());
        assert!(page.lines().any(|line| line == running), "{page}");
    }
}

/// So that one without the version does not run Podpin.
#[tokio::test(flavor = "multi_thread")]
async fn the_version_stays_when_an_update_is_refused_and_goes_with_the_filter() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("listeners.json");
    let example = Bootstrap::example("envoy.yaml").expect("the example");
    let example = example.port(kit::bootstrap::LISTENER, 0).port(kit::bootstrap::ADMIN, 0);
    publish(&[listener(&example)], &file);
    let envoy = Envoy::start_brief(&by_file(example.clone(), &file)).await.expect("Envoy");
    let told = async || {
        let told = envoy.stats("podpin_version").await.expect("stats").into_values();
        told.collect::<Vec<_>>()
    };
    assert_eq!(told().await, [version()]);

    let broken = example.clone().plugin(|plugin| plugin["workload"]["replicas"] = json!(0));
    publish(&[listener(&broken)], &file);
    until("the update to be refused", async || {
        let stats = envoy.stats("lds.update_rejected").await.ok()?;
        (stats["listener_manager.lds.update_rejected"] == 1).then_some(())
    })
    .await;
    assert_eq!(told().await, [version()]);

    publish(&[listener(&example.without_podpin())], &file);
    until("the metrics to go", async || told().await.is_empty().then_some(())).await;
}
