//! Envoys that are configured as Istio's are: one on which all may be well, and others that are not.

use std::path::Path;

use kit::bootstrap::{Bootstrap, publish};
use kit::discovered::Discovered;
use kit::envoy::Envoy;
use kit::mode::Mode;
use kit::observability::proxy_config;
use kit::pods::App;
use kit::setup::SharedSetup;
use serde_json::{Value, json};

use crate::configuration::{by_file, listener};

/// An example whose parts all come from files, as they come from Istio by xDS, and whose stats are those
/// of a proxy that is told what the README says.
pub(super) fn as_istio(mut example: Bootstrap, directory: &Path) -> Bootstrap {
    let source = |name: &str| json!({"path_config_source": {"path": directory.join(name)}});
    let kind = |name: &str| format!("type.googleapis.com/envoy.config.{name}");
    let filters = example.filters();
    let podpin = filters.iter_mut().find(|filter| filter["name"] == "podpin").expect("podpin");
    let config = podpin["typed_config"].clone();
    *podpin = json!({"name": EXTENSION, "config_discovery": {
        "config_source": source(EXTENSIONS), "type_urls": [config["@type"]],
    }});
    publish(&[extension(config)], &directory.join(EXTENSIONS));

    let manager = example.connection_manager().as_object_mut().expect("a connection manager");
    let mut routes = manager.remove("route_config").expect("routes");
    routes["name"] = json!("8080");
    routes["@type"] = kind("route.v3.RouteConfiguration").into();
    publish(&[routes], &directory.join("routes.json"));
    let rds = json!({"route_config_name": "8080", "config_source": source("routes.json")});
    manager.insert("rds".to_owned(), rds);

    let mut clusters = example.0["static_resources"]["clusters"].take();
    let clusters = clusters.as_array_mut().expect("clusters");
    clusters.iter_mut().for_each(|one| one["@type"] = kind("cluster.v3.Cluster").into());
    publish(clusters, &directory.join("clusters.json"));
    publish(&[listener(&example)], &directory.join(LISTENERS));
    let mut example = by_file(example, &directory.join(LISTENERS));
    example.0["static_resources"]["clusters"] = json!([]);
    example.0["dynamic_resources"]["cds_config"] = source("clusters.json");
    with_stats(example)
}

fn with_stats(example: Bootstrap) -> Bootstrap {
    let config = proxy_config();
    assert_eq!(config["extraStatTags"], json!(["scope", "ordinal"]));
    let mut example = example.with_stats_of_istio();
    let patterns = &mut example.0["stats_config"]["stats_matcher"]["inclusion_list"]["patterns"];
    let patterns = patterns.as_array_mut().expect("patterns");
    let more = config["proxyStatsMatcher"]["inclusionRegexps"].as_array().expect("regexes");
    patterns.extend(more.iter().map(|regex| json!({"safe_regex": {"regex": regex}})));
    example
}

/// As Istio calls the WasmPlugin of the chart.
const EXTENSION: &str = "extensions.istio.io/wasmplugin/default.podpin.default.myserver.sidecars";
pub(super) const EXTENSIONS: &str = "extensions.json";
pub(super) const LISTENERS: &str = "listeners.json";

pub(super) fn extension(config: Value) -> Value {
    json!({
        "@type": "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig",
        "name": EXTENSION, "typed_config": config,
    })
}

pub(super) const STRAYING: &str = "default/straying";

/// An Envoy whose cluster takes no endpoint from Podpin.
pub(super) async fn straying() -> Discovered {
    let change = |mut example: Bootstrap| {
        let mut cluster = example.take_cluster("myserver");
        cluster.as_object_mut().expect("a cluster").remove("load_balancing_policy");
        example.add_cluster(cluster);
        with_stats(example.plugin(|plugin| plugin["scope"] = json!(STRAYING)))
    };
    let pods = [0, 1, 2];
    Discovered::start(Mode::OverrideHost, App::Stateful, 3, &pods, change).await.unwrap()
}

/// An Envoy that never took a configuration of the filter.
pub(super) async fn unloaded(setup: &SharedSetup, directory: &Path) -> Envoy {
    let example = setup.bootstrap().unwrap().plugin(|plugin| *plugin = json!({}));
    Envoy::start(&as_istio(example, directory)).await.unwrap()
}
