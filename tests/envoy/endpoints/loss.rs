//! What a client is told whose endpoint is gone, cannot be reached, or is another's by now.

use std::net::SocketAddr;

use http::Method;
use kit::bootstrap::Bootstrap;
use kit::client::Ask;
use kit::discovered::{Discovered, Health, Pinned, got, open};
use kit::dns::pod_ip;
use kit::envoy::minor;
use kit::mode::Mode;
use kit::pods::App;
use kit::scenarios::is_session_not_found;
use kit::setup::Setup;
use kit::wait::until;
use serde_json::json;

use super::{MODES, unchanged};

/// A session on the first of two pods.
async fn session_on_first(setup: &Discovered, http: &reqwest::Client) -> Pinned {
    loop {
        let session = setup.open(http).await.expect("a session opens");
        if session.pod == "myserver-0" {
            return session;
        }
    }
}

async fn start(mode: Mode) -> (Discovered, reqwest::Client, Pinned) {
    let setup = Discovered::start(mode, App::Stateful, 2, &[0, 1], unchanged).await;
    let setup = setup.expect("the set-up starts");
    let http = reqwest::Client::new();
    let session = session_on_first(&setup, &http).await;
    (setup, http, session)
}

/// How a call of the session is answered once it is no longer served.
async fn call(setup: &Discovered, http: &reqwest::Client, session: &Pinned) -> kit::client::Got {
    let origin = setup.envoy.url("");
    session.count(http, &origin).await.expect("a response")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_has_left_its_cluster_is_answered_404() {
    for mode in [Mode::Endpoint, Mode::OverrideHost] {
        let (setup, http, session) = start(mode).await;
        setup.publish(&[(1, Health::Healthy)]).await;
        until("the worker thread to hear of it", || async {
            (call(&setup, &http, &session).await.status == 404).then_some(())
        })
        .await;
        let answer = call(&setup, &http, &session).await;
        is_session_not_found(&answer);
        let decision = if mode == Mode::OverrideHost { "strayed" } else { "unreachable" };
        assert!(setup.envoy.counter(decision).await > 0, "{mode:?}");
        // A DELETE and a GET are told the same.
        for ask in [Ask::get(), Ask::delete()] {
            if mode == Mode::OverrideHost && ask.method == Method::DELETE {
                // These servers accept a DELETE of any session, and the policy falls back to them.
                continue;
            }
            let origin = setup.envoy.url("");
            is_session_not_found(&got(ask.session(&session.id), &http, &origin).await.unwrap());
        }
        // It was away for a moment only, for a probe that failed once, say.
        setup.publish(&[(0, Health::Healthy), (1, Health::Healthy)]).await;
        until("the endpoint to be used again", || async {
            (call(&setup, &http, &session).await.status == 200).then_some(())
        })
        .await;
    }
}

/// Where Envoy can tell, it is answered 404 whatever is configured.
#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_is_gone_is_told_from_one_that_is_not_healthy() {
    let change = |example: Bootstrap| {
        example.plugin(|plugin| plugin["on_unreachable"] = json!("unavailable"))
    };
    let setup = Discovered::start(Mode::Endpoint, App::Stateful, 2, &[0, 1], change).await;
    let setup = setup.expect("the set-up starts");
    let http = reqwest::Client::new();
    let session = session_on_first(&setup, &http).await;
    // Before 1.38 Envoy cannot.
    let gone = if minor().unwrap() < 38 { 503 } else { 404 };
    for (endpoints, status) in [
        (&[(0, Health::Unhealthy), (1, Health::Healthy)][..], 503),
        (&[(1, Health::Healthy)], gone),
        (&[(0, Health::Healthy)], 200),
    ] {
        setup.publish(endpoints).await;
        until("the worker thread to hear of it", || async {
            (call(&setup, &http, &session).await.status == status).then_some(())
        })
        .await;
    }
}

/// The policy override_host asks for the address only.
#[tokio::test(flavor = "multi_thread")]
async fn with_override_host_an_endpoint_that_is_not_healthy_serves_its_sessions() {
    let (setup, http, session) = start(Mode::OverrideHost).await;
    setup.publish(&[(0, Health::Unhealthy), (1, Health::Healthy)]).await;
    until("new sessions to go elsewhere", || async {
        let opened = [setup.open(&http).await, setup.open(&http).await];
        opened.iter().flatten().all(|new| new.pod == "myserver-1").then_some(())
    })
    .await;
    assert_eq!(call(&setup, &http, &session).await.text(), "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_is_not_healthy_is_answered_as_configured() {
    for (on_unreachable, status) in [("not_found", 404), ("unavailable", 503)] {
        let setup = Discovered::start(Mode::Endpoint, App::Stateful, 2, &[0, 1], |example| {
            example.plugin(|plugin| plugin["on_unreachable"] = json!(on_unreachable))
        });
        let setup = setup.await.expect("the set-up starts");
        let http = reqwest::Client::new();
        let session = session_on_first(&setup, &http).await;
        setup.publish(&[(0, Health::Unhealthy), (1, Health::Healthy)]).await;
        until("the worker thread to hear of it", || async {
            (call(&setup, &http, &session).await.status != 200).then_some(())
        })
        .await;
        let answer = call(&setup, &http, &session).await;
        assert_eq!(answer.status, status);
        match status {
            404 => is_session_not_found(&answer),
            _ => assert_eq!(answer.header("retry-after"), Some("1")),
        }
        assert!(setup.envoy.counter("unreachable").await > 0);
        // Its session is still there when it is healthy again.
        setup.publish(&[(0, Health::Healthy), (1, Health::Healthy)]).await;
        until("the endpoint to be used again", || async {
            (call(&setup, &http, &session).await.status == 200).then_some(())
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draining_endpoint_serves_its_sessions_and_gets_no_new_ones() {
    for mode in [Mode::Endpoint, Mode::OverrideHost] {
        let (setup, http, session) = start(mode).await;
        setup.publish(&[(0, Health::Draining), (1, Health::Healthy)]).await;
        until("new sessions to go elsewhere", || async {
            let opened = [setup.open(&http).await, setup.open(&http).await];
            opened.iter().flatten().all(|new| new.pod == "myserver-1").then_some(())
        })
        .await;
        for wanted in 1..=10 {
            assert_eq!(call(&setup, &http, &session).await.text(), wanted.to_string(), "{mode:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_that_refuses_connections_is_answered_as_configured() {
    for mode in MODES {
        let (mut setup, http, session) = start(mode).await;
        setup.stop(0).await;
        is_session_not_found(&call(&setup, &http, &session).await);
        assert_eq!(setup.envoy.counter("unreachable").await, 1, "{mode:?}");
        let seen = setup.pods.take_seen();
        assert!(seen.iter().all(|(pod, seen)| *pod == 0 || !is_of(seen, &session)), "{mode:?}");
    }
}

fn is_of(seen: &kit::pods::Seen, session: &Pinned) -> bool {
    seen.headers.get("mcp-session-id").is_some_and(|id| id == session.id.as_str())
}

/// The same for pods by name, whose sessions go on if the pod comes back with them.
#[tokio::test(flavor = "multi_thread")]
async fn a_pod_by_name_that_refuses_connections_is_answered_as_configured() {
    for mode in [Mode::Authority, Mode::DynamicHost] {
        for (on_unreachable, status) in [("not_found", 404), ("unavailable", 503)] {
            let mut setup = Setup::start(mode.example(), App::Stateful, |example| {
                example.plugin(|plugin| plugin["on_unreachable"] = json!(on_unreachable))
            })
            .await
            .expect("the set-up starts");
            let (http, origin) = (reqwest::Client::new(), setup.envoy.url(""));
            let session = open(&http, &origin).await.expect("a session opens");
            let ordinal: usize = session.pod.rsplit('-').next().unwrap().parse().unwrap();
            setup.pods.stop(ordinal).await;
            let address = SocketAddr::from((pod_ip(ordinal), setup.pods.port));
            until("Envoy to notice", || async {
                (setup.envoy.connections_to(address).await == 0).then_some(())
            })
            .await;
            let answer = session.count(&http, &origin).await.unwrap();
            assert_eq!(answer.status, status, "{mode:?}");
            assert_eq!(setup.envoy.counter("unreachable").await, 1, "{mode:?}");
            // This one comes back without its sessions, and says so.
            setup.pods.start_again(ordinal).unwrap();
            is_session_not_found(&session.count(&http, &origin).await.unwrap());
            assert_eq!(setup.envoy.counter("lost").await, 1, "{mode:?}");
        }
    }
}

/// By another pod of the workload, which does not know the session.
#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_another_has_taken_over_is_lost() {
    for mode in MODES {
        let (mut setup, http, session) = start(mode).await;
        setup.stop(0).await;
        setup.pods.start_again(0).expect("another pod");
        is_session_not_found(&call(&setup, &http, &session).await);
        assert_eq!(setup.envoy.counter("lost").await, 1, "{mode:?}");
        is_session_not_found(&call(&setup, &http, &session).await);
        assert_eq!(setup.envoy.counter("unknown").await, 1, "{mode:?}: it is forgotten");
    }
}

/// Somebody is there, so it is no pod that is gone.
#[tokio::test(flavor = "multi_thread")]
async fn a_pod_whose_tls_is_wrong_is_not_taken_for_one_that_is_gone() {
    let (mut setup, http, session) = start(Mode::Endpoint).await;
    setup.stop(0).await;
    setup.pods.start_again_plain(0).expect("another server");
    let answer = call(&setup, &http, &session).await;
    assert_eq!(answer.status, 503);
    assert_eq!(setup.envoy.counter("unreachable").await, 0);
}

/// Another filter, or a mapper of local replies, answers for a pod that never saw the request.
#[tokio::test(flavor = "multi_thread")]
async fn an_end_that_the_pod_did_not_see_is_none() {
    let change = |mut example: Bootstrap| {
        let filter = json!({"status_code_filter": {
            "comparison": {"op": "GE", "value": {"default_value": 500, "runtime_key": "unused"}},
        }});
        example.connection_manager()["local_reply_config"] =
            json!({"mappers": [{"filter": filter, "status_code": 204}]});
        example
    };
    let setup = Discovered::start(Mode::Endpoint, App::Stateful, 2, &[0, 1], change).await;
    let mut setup = setup.expect("the set-up starts");
    let (http, origin) = (reqwest::Client::new(), setup.envoy.url(""));
    let session = session_on_first(&setup, &http).await;
    setup.stop(0).await;
    got(Ask::delete().session(&session.id), &http, &origin).await.unwrap();
    assert_eq!(setup.envoy.counter("ended").await, 0);
    setup.pods.start_again(0).expect("the pod comes back");
    let answer = call(&setup, &http, &session).await;
    is_session_not_found(&answer);
    assert_eq!(setup.envoy.counter("lost").await, 1, "the pin was still there");
}
