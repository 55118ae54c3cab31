//! The dashboard and the alerts for Istio, asked of a real Prometheus that reads Envoys which are
//! configured as Istio's are.

use std::net::SocketAddr;
use std::path::Path;

use kit::bootstrap::{Bootstrap, publish};
use kit::client::{Ask, Session};
use kit::discovered::{Discovered, got};
use kit::envoy::Envoy;
use kit::link;
use kit::mini_redis::Front;
use kit::mode::Mode;
use kit::observability::{alerts, panels, path, proxy_config, queries};
use kit::pods::App;
use kit::prometheus::{Prometheus, Sample};
use kit::setup::SharedSetup;
use kit::wait::until;
use serde_json::{Value, json};

use super::configuration::{by_file, listener};
use super::redis::{call, key_of, open};

/// Those of which no Envoy here can be made to fire: there is one version of the module that tells its
/// version. What they do over time, the rules' own tests show for all of them.
const NOT_HERE: [&str; 1] = ["PodpinVersionsDiffer"];

#[tokio::test(flavor = "multi_thread")]
async fn every_query_has_data_and_every_alert_fires_once_something_is_wrong() {
    let directory = tempfile::tempdir().unwrap();
    let mut setup = SharedSetup::start(Front::Webdis, App::Stateful).await.unwrap();
    let example = setup.bootstrap().unwrap();
    let example = example.plugin(|plugin| plugin["store"]["capacity"] = json!(8));
    let envoy = Envoy::start(&as_istio(example, directory.path())).await.unwrap();
    let prometheus = Prometheus::start(&[envoy.admin], &path("alerts.yaml")).await.unwrap();
    reads(&prometheus, envoy.admin).await;

    serve(&envoy).await;
    until("what was served to be read", async || {
        let steered = some(&prometheus, "sum(rate(podpin_steered_total[10m])) > 0").await;
        let ended = some(&prometheus, "sum(rate(podpin_ended_total[10m])) > 0").await;
        (!steered.is_empty() && !ended.is_empty()).then_some(())
    })
    .await;
    for alert in alerts() {
        assert_eq!(some(&prometheus, &alert.expr).await, [], "{} when all is well", alert.name);
    }
    let scopes = prometheus.label_values("podpin_version", "scope").await.unwrap();
    assert_eq!(scopes, [kit::SCOPE]);

    let straying = straying().await;
    let other_directory = tempfile::tempdir().unwrap();
    let unloaded = unloaded(&setup, other_directory.path()).await;
    prometheus.reads(&[envoy.admin, straying.envoy.admin, unloaded.admin]).unwrap();
    reads(&prometheus, straying.envoy.admin).await;
    stray(&straying).await;
    fail(&mut setup, &envoy).await;
    reject(directory.path(), &envoy).await;
    for alert in alerts() {
        if NOT_HERE.contains(&alert.name.as_str()) {
            continue;
        }
        let fired = until(&alert.name, async || {
            Some(some(&prometheus, &alert.expr).await).filter(|fired| !fired.is_empty())
        });
        let fired = fired.await;
        let (label, wanted) = match alert.name.as_str() {
            "PodpinNotLoaded" => ("instance", unloaded.admin.to_string()),
            "PodpinUpdateRejected" => ("instance", envoy.admin.to_string()),
            "PodpinStrayed" => ("scope", STRAYING.to_owned()),
            _ => ("scope", kit::SCOPE.to_owned()),
        };
        for sample in &fired {
            assert_eq!(sample.labels[label], wanted, "{}", alert.name);
        }
        let told = until(&alert.name, async || {
            Some(prometheus.alerted(&alert.name).await.ok()?).filter(|told| !told.is_empty())
        });
        for annotations in told.await {
            assert!(annotations["summary"].contains(&wanted), "{annotations:?}");
            let text = annotations.values().cloned().collect::<String>();
            assert!(!text.contains("<error") && !text.contains("<no value>"), "{text}");
        }
    }

    for panel in panels() {
        for query in queries(&panel) {
            let query = query.replace("$__rate_interval", "1m").replace("$scope", ".*");
            assert!(!query.contains('$'), "{query}");
            assert!(!some(&prometheus, &query).await.is_empty(), "{}: {query}", panel["title"]);
        }
    }
}

async fn some(prometheus: &Prometheus, query: &str) -> Vec<Sample> {
    prometheus.query(query).await.expect("an answer")
}

/// Waits until the page of an Envoy with the filter was read, so that what is counted from now on is
/// seen to grow.
async fn reads(prometheus: &Prometheus, admin: SocketAddr) {
    let query = format!("podpin_version{{instance=\"{admin}\"}}");
    until("the page to be read", async || {
        (!some(prometheus, &query).await.is_empty()).then_some(())
    })
    .await;
}

/// An example whose parts all come from files, as they come from Istio by xDS, and whose stats are those
/// of a proxy that is told what the README says.
fn as_istio(mut example: Bootstrap, directory: &Path) -> Bootstrap {
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
    assert_eq!(config["extraStatTags"], json!(["scope"]));
    let mut example = example.with_stats_of_istio();
    let patterns = &mut example.0["stats_config"]["stats_matcher"]["inclusion_list"]["patterns"];
    let patterns = patterns.as_array_mut().expect("patterns");
    let more = config["proxyStatsMatcher"]["inclusionRegexps"].as_array().expect("regexes");
    patterns.extend(more.iter().map(|regex| json!({"safe_regex": {"regex": regex}})));
    example
}

/// As Istio calls the WasmPlugin of the chart.
const EXTENSION: &str = "extensions.istio.io/wasmplugin/default.podpin.default.myserver.sidecars";
const EXTENSIONS: &str = "extensions.json";
const LISTENERS: &str = "listeners.json";

fn extension(config: Value) -> Value {
    json!({
        "@type": "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig",
        "name": EXTENSION, "typed_config": config,
    })
}

/// Three sessions, one of which ends.
async fn serve(envoy: &Envoy) {
    let mut sessions = Vec::new();
    for _ in 0..3 {
        let session = Session::open(reqwest::Client::new(), &envoy.url("/mcp")).await;
        sessions.push(session.expect("a session opens"));
    }
    for count in 1..=5 {
        for session in &sessions {
            assert_eq!(session.count().await.expect("no session is lost"), count);
        }
    }
    sessions.pop().expect("a session").close().await.expect("the session ends");
    envoy.counted("ended", 1).await;
}

/// All that goes wrong between clients, pods and a Redis.
async fn fail(setup: &mut SharedSetup, envoy: &Envoy) {
    let mut sessions = Vec::new();
    // More than there is room for.
    for _ in 0..40 {
        sessions.push(open(envoy).await);
    }
    let sessions = &sessions[34..];
    for number in 0..20 {
        assert_eq!(call(envoy, &format!("unheard-of-{number}")).await, 404, "unknown");
    }
    setup.redis.command(&["SET", &key_of("forged"), "no record"]).await.unwrap();
    assert_eq!(call(envoy, "forged").await, 404, "not trusted");
    for ordinal in 0..3 {
        setup.stop(envoy, ordinal).await;
    }
    for id in sessions {
        assert_eq!(call(envoy, id).await, 404, "unreachable");
    }
    for ordinal in 0..3 {
        setup.pods.start_again(ordinal).unwrap();
    }
    for id in sessions {
        assert_eq!(call(envoy, id).await, 404, "lost");
    }
    setup.link.set(link::Mode::Closed);
    for number in 0..5 {
        assert_eq!(call(envoy, &format!("never-heard-of-{number}")).await, 503);
    }
    for counter in ["evicted", "unknown", "store_untrusted", "unreachable", "lost", "store_faults"]
    {
        assert!(envoy.counter(counter).await > 0, "{counter}");
    }
}

/// Configurations that Envoy refuses: one of the filter, and one of the listener.
async fn reject(directory: &Path, envoy: &Envoy) {
    let read = |file: &str| -> Value {
        let text = std::fs::read_to_string(directory.join(file)).expect("a file");
        serde_json::from_str::<Value>(&text).expect("JSON")["resources"][0].take()
    };
    let mut config = read(EXTENSIONS)["typed_config"].take();
    config["config"]["configuration"]["value"] = json!("{}");
    publish(&[extension(config)], &directory.join(EXTENSIONS));
    let mut listener = read(LISTENERS);
    listener["filter_chains"] = json!([]);
    publish(&[listener], &directory.join(LISTENERS));
    until("the updates to be rejected", async || {
        let stats = envoy.stats("update_rejected").await.ok()?;
        let rejected = |part: &str| stats.iter().any(|(name, n)| name.contains(part) && *n > 0);
        (rejected("extension_config_discovery") && rejected("lds")).then_some(())
    })
    .await;
}

const STRAYING: &str = "default/straying";

/// An Envoy whose cluster takes no endpoint from Podpin.
async fn straying() -> Discovered {
    let change = |mut example: Bootstrap| {
        let mut cluster = example.take_cluster("myserver");
        cluster.as_object_mut().expect("a cluster").remove("load_balancing_policy");
        example.add_cluster(cluster);
        with_stats(example.plugin(|plugin| plugin["scope"] = json!(STRAYING)))
    };
    let pods = [0, 1, 2];
    Discovered::start(Mode::OverrideHost, App::Stateful, 3, &pods, change).await.unwrap()
}

async fn stray(setup: &Discovered) {
    let (http, origin) = (reqwest::Client::new(), setup.envoy.url(""));
    until("a request to stray", async || {
        let opened = got(Ask::initialize(), &http, &origin).await.unwrap();
        let id = opened.header("mcp-session-id")?.to_owned();
        for _ in 0..3 {
            got(Ask::tool("count").session(&id), &http, &origin).await.unwrap();
        }
        (setup.envoy.counter_of(STRAYING, "strayed").await > 0).then_some(())
    })
    .await;
}

/// An Envoy that never took a configuration of the filter.
async fn unloaded(setup: &SharedSetup, directory: &Path) -> Envoy {
    let example = setup.bootstrap().unwrap().plugin(|plugin| *plugin = json!({}));
    Envoy::start(&as_istio(example, directory)).await.unwrap()
}
