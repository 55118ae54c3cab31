//! What the examples say about themselves.

use kit::bootstrap::Bootstrap;
use kit::client::{Ask, Session};
use kit::pods::App;
use kit::setup::Setup;
use serde_json::json;

/// More than Envoy's own limit of 1024 connections to a cluster.
#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_open_streams_do_not_keep_others_waiting() {
    let setup = super::setup().await;
    let url = setup.envoy.url("/mcp");
    let mut sessions = Vec::new();
    for _ in 0..1100 {
        // Each holds its GET stream open.
        sessions.push(Session::open(reqwest::Client::new(), &url).await.expect("a session opens"));
    }
    let stats = setup.envoy.stats("cluster.pods.upstream_cx_").await.unwrap();
    assert!(stats["cluster.pods.upstream_cx_active"] > 1024, "{stats:?}");
    assert_eq!(stats["cluster.pods.upstream_cx_overflow"], 0);
    for session in [&sessions[0], &sessions[1099]] {
        assert_eq!(session.count().await.expect("no call waits"), 1);
    }
}

/// An operator who did not adapt the line about the pods' domain.
#[tokio::test(flavor = "multi_thread")]
async fn a_steered_request_that_no_virtual_host_matches_reaches_no_pod() {
    let setup = super::changed(|mut example| {
        let hosts = &mut example.connection_manager()["route_config"]["virtual_hosts"];
        hosts[0]["domains"] = json!(["mcp.example", "*.another.default.svc.cluster.local:8080"]);
        example
    })
    .await;
    let ask = Ask::initialize().header("host", "mcp.example");
    let got = ask.send(&reqwest::Client::new(), &setup.envoy.url("")).await.unwrap();
    assert_eq!(got.status(), 404);
    assert!(setup.pods.take_seen().is_empty());
}

/// Without the filter, nobody removes what a client sends, so nothing may depend on that.
#[tokio::test(flavor = "multi_thread")]
async fn no_header_of_a_client_chooses_an_upstream_even_without_the_filter() {
    for example in ["envoy.yaml", "dynamic-host.yaml"] {
        let setup = Setup::start(example, App::Stateful, Bootstrap::without_podpin).await.unwrap();
        let pod = format!("{}-0.{}:{}", kit::STATEFUL_SET, kit::DOMAIN, setup.pods.port);
        for host in [pod.as_str(), "127.0.0.1:1", "mcp.example"] {
            let ask = Ask::get()
                .header("host", host)
                .header("x-podpin-host", &pod)
                .header("x-envoy-original-dst-host", "127.0.0.1:1");
            for _ in 0..3 {
                let got = ask.clone().send(&reqwest::Client::new(), &setup.envoy.url("")).await;
                assert_ne!(got.unwrap().status(), 503, "{example}: {host}");
            }
        }
        let stats = setup.envoy.stats("upstream_rq_total").await.unwrap();
        assert_eq!(stats["cluster.myserver.upstream_rq_total"], 9, "{example}");
        assert_eq!(stats["cluster.pods.upstream_rq_total"], 0, "{example}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_access_log_has_no_query() {
    for example in ["envoy.yaml", "dynamic-host.yaml"] {
        let setup = Setup::start(example, App::Stateful, |example| example).await.unwrap();
        let ask = Ask::get().at("/message?sessionId=secret");
        ask.send(&reqwest::Client::new(), &setup.envoy.url("")).await.unwrap();
        let log = kit::wait::until("the access log", || async {
            Some(setup.envoy.access_log()).filter(|log| log.contains("decision="))
        });
        let log = log.await;
        assert!(log.contains(" GET /message ") && !log.contains("secret"), "{log}");
    }
}

/// Envoy has no route for the request, which says nothing about the session.
#[tokio::test(flavor = "multi_thread")]
async fn a_404_of_envoys_own_is_passed_and_keeps_the_session() {
    let setup = super::changed(|mut example| {
        let hosts = &mut example.connection_manager()["route_config"]["virtual_hosts"];
        let routes = hosts[0]["routes"].as_array_mut().unwrap();
        let matched =
            json!({"prefix": "/", "headers": [{"name": "x-lost", "present_match": true}]});
        routes.insert(0, json!({"match": matched, "direct_response": {"status": 404}}));
        example
    })
    .await;
    let (http, origin) = (reqwest::Client::new(), setup.envoy.url(""));
    let got = Ask::initialize().send(&http, &origin).await.unwrap();
    let id = got.headers()["mcp-session-id"].clone();
    let lost = Ask::tool("count").session(&id).header("x-lost", "1");
    let got = lost.send(&http, &origin).await.unwrap();
    assert_eq!((got.status().as_u16(), got.text().await.unwrap().as_str()), (404, ""));
    let got = Ask::tool("count").session(&id).send(&http, &origin).await.unwrap();
    assert_eq!(got.status(), 200);
    assert_eq!(setup.envoy.counter("lost").await, 0);
}
