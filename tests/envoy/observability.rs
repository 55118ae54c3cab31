//! The dashboard and the alerts for Istio, asked of a real Prometheus that reads Envoys which are
//! configured as Istio's are.

mod faults;
mod proxies;

use std::net::SocketAddr;

use kit::envoy::Envoy;
use kit::mini_redis::Front;
use kit::observability::{alerts, panels, path, queries};
use kit::pods::App;
use kit::prometheus::{Prometheus, Sample};
use kit::setup::SharedSetup;
use kit::wait::until;
use serde_json::json;

use faults::{fail, reject, serve, stray};
use proxies::{STRAYING, as_istio, straying, unloaded};

/// Those that do not fire here: there is one version of the module that tells its version, and no session that
/// belongs to somebody. What they do over time, the rules' own tests show for all of them.
const NOT_HERE: [&str; 2] = ["PodpinVersionsDiffer", "PodpinStrangers"];

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
        // A page that could not be read in time is forgotten with the next.
        until(&format!("nothing of {}", alert.name), async || {
            some(&prometheus, &alert.expr).await.is_empty().then_some(())
        })
        .await;
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
        let (label, wanted) = match alert.name.as_str() {
            "PodpinNotLoaded" => ("instance", unloaded.admin.to_string()),
            "PodpinUpdateRejected" => ("instance", envoy.admin.to_string()),
            "PodpinStrayed" => ("scope", STRAYING.to_owned()),
            _ => ("scope", kit::SCOPE.to_owned()),
        };
        until(&format!("{} of {wanted} alone", alert.name), async || {
            let fired = some(&prometheus, &alert.expr).await;
            let is_wanted = |sample: &Sample| sample.labels.get(label) == Some(&wanted);
            (!fired.is_empty() && fired.iter().all(is_wanted)).then_some(())
        })
        .await;
        let told = until(&format!("what {} says of {wanted}", alert.name), async || {
            let told = prometheus.alerted(&alert.name).await.expect("an answer");
            told.into_iter().find(|annotations| annotations["summary"].contains(&wanted))
        })
        .await;
        let text = told.into_values().collect::<String>();
        assert!(!text.contains("<error") && !text.contains("<no value>"), "{text}");
    }

    for panel in panels() {
        for query in queries(&panel) {
            let query = query.replace("$__rate_interval", "1m").replace("$scope", ".*");
            assert!(!query.contains('$'), "{query}");
            until(&format!("{}: {query}", panel["title"]), async || {
                (!some(&prometheus, &query).await.is_empty()).then_some(())
            })
            .await;
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
