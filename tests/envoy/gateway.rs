//! What Envoy Gateway makes of `gateway/example`, in a real Envoy. The scenarios run on it too, in
//! `scenarios::envoy_gateway`.

use std::collections::BTreeMap;

use kit::bootstrap::Bootstrap;
use kit::client::{Ask, Session};
use kit::discovered::{Discovered, Health, Pinned, got, open};
use kit::gateway::{OTHER_HOST, PLAIN_HOST, golden};
use kit::pods::App;
use kit::scenarios::is_session_not_found;
use kit::wait::until;
use serde_json::{Value, json};

const STATEFUL_SESSION: &str = "envoy.filters.http.stateful_session";

async fn start(published: &[usize], change: impl FnOnce(Bootstrap) -> Bootstrap) -> Discovered {
    let setup = Discovered::in_gateway(App::Stateful, 3, published, change).await;
    setup.expect("the set-up starts")
}

/// The type of a filter's configuration, without its package.
fn kind(filter: &Value) -> &str {
    filter["typed_config"]["@type"]
        .as_str()
        .and_then(|name| name.rsplit('.').next())
        .expect("a type")
}

/// By types, since names of filters are Envoy Gateway's own.
#[test]
fn its_filters_stand_in_the_order_that_steering_takes() {
    let mut golden = golden().unwrap();
    let kinds: Vec<_> = golden.filters().iter().map(kind).collect();
    assert_eq!(kinds, ["HeaderMutation", "Wasm", "Wasm", "StatefulSession", "Router"]);
}

/// A second attempt would leave the pod, and a time limit would cut streams.
#[test]
fn its_route_neither_retries_nor_ends_a_response() {
    let mut golden = golden().unwrap();
    let manager = golden.connection_manager();
    assert_eq!(manager["stream_idle_timeout"], "7200s");
    let hosts = manager["route_config"]["virtual_hosts"].as_array().unwrap();
    let host = hosts.iter().find(|host| host["domains"] == json!(["*"])).unwrap();
    assert!(host.get("retry_policy").is_none());
    let [route] = host["routes"].as_array().unwrap().as_slice() else { panic!("{host}") };
    assert_eq!(route["route"]["timeout"], "0s");
    assert!(route["route"].get("retry_policy").is_none(), "{route}");
    assert_eq!(route["request_headers_to_remove"], json!(["x-podpin-endpoint"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_thirty_sessions_with_twenty_calls_each_none_is_lost_or_reaches_another_pod() {
    let setup = start(&[0, 1, 2], |golden| golden).await;
    let url = setup.envoy.url("/mcp");
    let mut clients = Vec::new();
    for _ in 0..30 {
        let url = url.clone();
        clients.push(tokio::spawn(async move {
            let session = Session::open(reqwest::Client::new(), &url).await.expect("a session");
            let pod = session.pod().await.expect("a pod");
            for call in 1..=20 {
                assert_eq!(session.count().await.expect("no call is lost"), call);
                assert_eq!(session.pod().await.expect("no call is lost"), pod);
            }
            pod
        }));
    }
    let mut pods = BTreeMap::new();
    for client in clients {
        *pods.entry(client.await.unwrap()).or_insert(0) += 1;
    }
    assert_eq!((pods.len(), pods.values().sum::<u32>()), (3, 30), "{pods:?}");
    assert_eq!(setup.envoy.counter("strayed").await, 0);
}

/// On a route with Podpin, one with another policy, and one without any.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_neither_chooses_a_pod_nor_learns_of_one_on_any_route() {
    let setup = start(&[0, 1, 2], |golden| golden).await;
    let (http, origin) = (reqwest::Client::new(), setup.envoy.url(""));
    // 127.0.1.3 with its port, as stateful_session writes it, and other spellings.
    let endpoint = format!("127.0.1.3:{}", setup.pods.port);
    let forged = podpin::steer::Encoding::Base64.encode(endpoint.parse().unwrap());
    for host in ["mcp.example.com", OTHER_HOST, PLAIN_HOST] {
        setup.pods.take_seen();
        for value in [&forged, forged.trim_end_matches('='), &endpoint].repeat(10) {
            let ask = Ask::initialize().header("host", host).header("x-podpin-endpoint", value);
            let answer = got(ask, &http, &origin).await.unwrap();
            assert_eq!((answer.status.as_u16(), answer.header("x-podpin-endpoint")), (200, None));
        }
        let seen = setup.pods.take_seen();
        let mut pods: Vec<_> = seen.iter().map(|(pod, _)| *pod).collect();
        pods.sort_unstable();
        pods.dedup();
        // Of the route whose pods the example's cluster does not have, those are all the same.
        assert_eq!(pods, [0, 1, 2], "{host}");
        assert!(seen.iter().all(|(_, seen)| !seen.headers.contains_key("x-podpin-endpoint")));
    }
}

/// Envoy Gateway never asks `stateful_session` to be strict, so another endpoint answers.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_whose_endpoint_is_gone_is_answered_404_until_that_is_back() {
    let setup = start(&[0, 1], |golden| golden).await;
    let (http, origin) = (reqwest::Client::new(), setup.envoy.url(""));
    let mut sessions = Vec::new();
    until("sessions on both", || async {
        let session = setup.open(&http).await.ok()?;
        Some(session)
    })
    .await;
    for _ in 0..12 {
        sessions.push(setup.open(&http).await.unwrap());
    }
    let on = |pod: &str| {
        let on: Vec<Pinned> = sessions.iter().filter(|it| it.pod == pod).cloned().collect();
        assert!(!on.is_empty(), "no session on {pod}");
        on
    };
    let (gone, stayed) = (on("myserver-0"), on("myserver-1"));
    // One is removed, one is added.
    setup.publish(&[(1, Health::Healthy), (2, Health::Healthy)]).await;
    for session in &gone {
        until("each worker to hear of it", || async {
            (session.count(&http, &origin).await.unwrap().status == 404).then_some(())
        })
        .await;
        is_session_not_found(&session.count(&http, &origin).await.unwrap());
    }
    for session in &stayed {
        assert_eq!(session.count(&http, &origin).await.unwrap().status, 200);
    }
    until("a session on the new one", || async {
        let session = setup.open(&http).await.ok()?;
        (session.pod == "myserver-2").then_some(())
    })
    .await;
    assert!(setup.envoy.counter("strayed").await >= gone.len() as u64);
    assert_eq!(setup.envoy.counter("unsteered").await, 0, "it is gone, no more");
    setup.publish(&[(0, Health::Healthy), (1, Health::Healthy), (2, Health::Healthy)]).await;
    for session in gone.iter().chain(&stayed) {
        until("its endpoint to be back", || async {
            (session.count(&http, &origin).await.unwrap().status == 200).then_some(())
        })
        .await;
    }
}

/// It is there no more than its address: the route does not try another.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_whose_pod_refuses_connections_is_answered_404_and_others_go_on() {
    let mut setup = start(&[0, 1], |golden| golden).await;
    let (http, origin) = (reqwest::Client::new(), setup.envoy.url(""));
    let mut sessions = Vec::new();
    for _ in 0..12 {
        sessions.push(setup.open(&http).await.unwrap());
    }
    setup.stop(0).await;
    for session in &sessions {
        let answer = session.count(&http, &origin).await.unwrap();
        match session.pod.as_str() {
            "myserver-0" => is_session_not_found(&answer),
            _ => assert_eq!(answer.status, 200),
        }
    }
    assert!(setup.envoy.counter("unreachable").await > 0);
    assert_eq!(setup.envoy.counter("strayed").await, 0);
}

/// Without `filterOrder` that is what Envoy Gateway makes.
#[tokio::test(flavor = "multi_thread")]
async fn in_the_wrong_order_nothing_is_steered_and_that_is_told() {
    let setup = start(&[0, 1, 2], |mut golden| {
        let filters = golden.filters();
        let place = filters.iter().position(|filter| filter["name"] == STATEFUL_SESSION).unwrap();
        let moved = filters.remove(place);
        filters.insert(0, moved);
        golden
    });
    let setup = setup.await;
    let (http, origin) = (reqwest::Client::new(), setup.envoy.url(""));
    until("the counter", || async {
        let opened = got(Ask::initialize(), &http, &origin).await.unwrap();
        let id = opened.header("mcp-session-id")?.to_owned();
        got(Ask::tool("count").session(&id), &http, &origin).await.unwrap();
        (setup.envoy.counter("unsteered").await > 0).then_some(())
    })
    .await;
    let log = setup.envoy.log();
    let line = log.lines().find(|line| line.contains("steering has no effect: 127.0.1."));
    assert!(line.expect("a warning").contains("filterOrder"), "{line:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_of_one_policy_is_unknown_to_another() {
    let setup = start(&[0, 1, 2], |golden| golden).await;
    let (http, origin) = (reqwest::Client::new(), setup.envoy.url(""));
    let session = open(&http, &origin).await.unwrap();
    let ask = Ask::tool("count").session(&session.id).header("host", OTHER_HOST);
    is_session_not_found(&got(ask, &http, &origin).await.unwrap());
    let unknown = |scope: &'static str| setup.envoy.counter_of(scope, "unknown");
    assert_eq!((unknown("default/other").await, unknown("default/myserver").await), (1, 0));
    assert_eq!(session.count(&http, &origin).await.unwrap().status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_route_without_a_policy_is_untouched() {
    let setup = start(&[0, 1, 2], |golden| golden).await;
    let (http, origin) = (reqwest::Client::new(), setup.envoy.url(""));
    setup.pods.take_seen();
    for number in 0..12 {
        // Podpin would answer this by itself.
        let ask = Ask::tool("count").session("nobodys").header("host", PLAIN_HOST);
        let answer = got(ask, &http, &origin).await.unwrap();
        assert_eq!(answer.status, 404, "the pod's own");
        let seen = setup.pods.take_seen();
        assert_eq!(seen.len(), 1, "request {number} reached a pod");
        let log = setup.envoy.access_log();
        assert!(!log.contains("decision=unknown"), "{log}");
    }
    assert_eq!(setup.envoy.counter("unknown").await, 0);
}
