//! A response of another place than the pinned one is noticed, and nothing else is taken for one.

use kit::bootstrap::Bootstrap;
use kit::client::Ask;
use kit::discovered::{Discovered, Health, got};
use kit::dns::pod_ip;
use kit::mode::Mode;
use kit::pods::App;
use kit::scenarios::is_session_not_found;
use kit::setup::Setup;
use kit::wait::until;
use serde_json::json;

use super::{MODES, unchanged, warning, with_filter};

const STATEFUL_SESSION: &str = "envoy.filters.http.stateful_session";

/// Opens sessions and uses each, until some request has gone to another pod.
async fn strays(setup: &Discovered, advice: &str) {
    let (http, origin) = (reqwest::Client::new(), setup.envoy.url(""));
    until("a request to stray", || async {
        let opened = got(Ask::initialize(), &http, &origin).await.unwrap();
        let id = opened.header("mcp-session-id")?.to_owned();
        for _ in 0..3 {
            let answer = got(Ask::tool("count").session(&id), &http, &origin).await.unwrap();
            // A server that does not know the session says so in words that clients understand.
            if answer.status != 200 {
                is_session_not_found(&answer);
            }
        }
        (setup.envoy.counter("strayed").await > 0).then_some(())
    })
    .await;
    let log = setup.envoy.log();
    let warning = warning(&log).expect("a warning");
    assert!(warning.contains(advice), "{warning}");
    assert_eq!(setup.envoy.counter("lost").await, 0, "no session is dropped for that");
}

/// Goes on until it shows that endpoints are there and missed all the same.
async fn has_no_effect(setup: &Discovered) {
    let (http, origin) = (reqwest::Client::new(), setup.envoy.url(""));
    until("a request that shows it", || async {
        let opened = got(Ask::initialize(), &http, &origin).await.unwrap();
        let id = opened.header("mcp-session-id")?.to_owned();
        got(Ask::tool("count").session(&id), &http, &origin).await.unwrap();
        (setup.envoy.counter("unsteered").await > 0).then_some(())
    })
    .await;
    assert!(setup.envoy.log().contains("steering has no effect: 127.0.1."));
}

#[tokio::test(flavor = "multi_thread")]
async fn stateful_session_before_podpin_lets_requests_stray() {
    let setup = Discovered::start(Mode::Endpoint, App::Stateful, 3, &[0, 1, 2], |mut example| {
        example.filters().swap(0, 1);
        example
    });
    let setup = setup.await.unwrap();
    strays(&setup, "stateful_session must stand after podpin").await;
    has_no_effect(&setup).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_stateful_session_at_all_lets_requests_stray() {
    let setup = Discovered::start(Mode::Endpoint, App::Stateful, 3, &[0, 1, 2], |mut example| {
        example.filters().retain(|filter| filter["name"] != STATEFUL_SESSION);
        example
    });
    strays(&setup.await.unwrap(), "stateful_session must stand after podpin").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_without_override_host_lets_requests_stray() {
    let change = |mut example: Bootstrap| {
        let mut cluster = example.take_cluster("myserver");
        cluster.as_object_mut().unwrap().remove("load_balancing_policy");
        example.add_cluster(cluster);
        example
    };
    let setup = Discovered::start(Mode::OverrideHost, App::Stateful, 3, &[0, 1, 2], change).await;
    strays(&setup.unwrap(), "override_host for the same header").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_original_destination_that_no_route_leads_to_lets_requests_stray() {
    let change = |mut example: Bootstrap| {
        let hosts = &mut example.connection_manager()["route_config"]["virtual_hosts"];
        hosts[0]["routes"].as_array_mut().unwrap().remove(0);
        example
    };
    let setup = Discovered::start(Mode::OriginalDst, App::Stateful, 3, &[0, 1, 2], change).await;
    strays(&setup.unwrap(), "ORIGINAL_DST").await;
}

/// The endpoint is gone, and without `strict` another answers.
#[tokio::test(flavor = "multi_thread")]
async fn a_fallback_to_another_endpoint_is_noticed() {
    let setup = Discovered::start(Mode::Endpoint, App::Stateful, 2, &[0], |example| {
        with_filter(example, STATEFUL_SESSION, |filter| {
            let config = filter["typed_config"].as_object_mut().unwrap();
            config.retain(|name, _| !name.contains("strict"));
        })
    });
    let setup = setup.await.expect("the set-up starts");
    let (http, origin) = (reqwest::Client::new(), setup.envoy.url(""));
    let session = setup.open(&http).await.unwrap();
    setup.publish(&[(1, Health::Healthy)]).await;
    until("the endpoint to be gone", || async {
        (session.count(&http, &origin).await.unwrap().status == 404).then_some(())
    })
    .await;
    is_session_not_found(&session.count(&http, &origin).await.unwrap());
    assert!(setup.envoy.counter("strayed").await >= 2);
    assert_eq!(
        setup.envoy.counter("unsteered").await,
        0,
        "it is gone, so steering does all it can"
    );
    // The session is not moved: when its endpoint is back, so is the session.
    setup.publish(&[(0, Health::Healthy)]).await;
    until("the endpoint to be back", || async {
        (session.count(&http, &origin).await.unwrap().status == 200).then_some(())
    })
    .await;
}

/// Retries of a steered request: where the route has them, Envoy sends the second attempt to any
/// endpoint; the example has none.
#[tokio::test(flavor = "multi_thread")]
async fn a_retry_leaves_the_pinned_pod_unless_the_route_has_none() {
    for (mode, has_retries) in [
        (Mode::Endpoint, false),
        (Mode::Endpoint, true),
        (Mode::OverrideHost, false),
        (Mode::OverrideHost, true),
        (Mode::OriginalDst, true),
    ] {
        let change = |mut example: Bootstrap| {
            let policy = json!({"retry_on": "connect-failure,refused-stream", "num_retries": 3});
            let hosts = &mut example.connection_manager()["route_config"]["virtual_hosts"];
            if has_retries {
                hosts[0]["routes"][0]["route"]["retry_policy"] = policy;
            }
            example
        };
        let setup = Discovered::start(mode, App::Stateful, 2, &[0, 1], change).await;
        let mut setup = setup.expect("the set-up starts");
        let (http, origin) = (reqwest::Client::new(), setup.envoy.url(""));
        let mut sessions = Vec::new();
        for _ in 0..4 {
            sessions.push(setup.open(&http).await.unwrap());
        }
        setup.stop(0).await;
        setup.pods.take_seen();
        let lost: Vec<_> = sessions.iter().filter(|session| session.pod == "myserver-0").collect();
        assert!(!lost.is_empty());
        for session in &lost {
            is_session_not_found(&session.count(&http, &origin).await.unwrap());
        }
        let strayed = has_retries && mode != Mode::OriginalDst;
        let seen = setup.pods.take_seen().len();
        assert_eq!(seen > 0, strayed, "{mode:?}, {has_retries}");
        assert_eq!(setup.envoy.counter("strayed").await > 0, strayed, "{mode:?}, {has_retries}");
    }
}

/// Every pod restarts in turn, first under its own address, then under another.
#[tokio::test(flavor = "multi_thread")]
async fn a_rolling_restart_is_none_where_endpoints_are_discovered() {
    for mode in MODES {
        let setup = Discovered::start(mode, App::Stateful, 6, &[0, 1, 2], unchanged).await;
        let mut setup = setup.expect("the set-up starts");
        let (http, origin) = (reqwest::Client::new(), setup.envoy.url(""));
        let mut sessions = Vec::new();
        let mut endpoints = vec![0, 1, 2];
        for _ in 0..9 {
            sessions.push(setup.open(&http).await.unwrap());
        }
        for ordinal in 0..3 {
            setup.pods.stop(ordinal).await;
            setup.pods.start_again(ordinal).unwrap();
            for session in &sessions {
                let _ = session.count(&http, &origin).await.unwrap();
            }
        }
        for ordinal in 0..3 {
            endpoints.push(ordinal + 3);
            endpoints.retain(|old| *old != ordinal);
            let all: Vec<_> = endpoints.iter().map(|it| (*it, Health::Healthy)).collect();
            setup.publish(&all).await;
            for session in &sessions {
                let _ = session.count(&http, &origin).await.unwrap();
            }
            setup.pods.stop(ordinal).await;
            for _ in 0..3 {
                if let Ok(session) = setup.open(&http).await {
                    sessions.push(session);
                }
            }
        }
        match mode {
            // What falls back to another is a stray, whatever the reason.
            Mode::OverrideHost => {}
            _ => assert_eq!(setup.envoy.counter("strayed").await, 0, "{mode:?}"),
        }
        assert_eq!(setup.envoy.counter("unsteered").await, 0, "{mode:?}");
    }
}

/// Steering by name: sessions and their calls, until it shows or there were many.
async fn opens_many(setup: &Setup) {
    let (http, origin) = (reqwest::Client::new(), setup.envoy.url(""));
    for _ in 0..40 {
        let _ = got(Ask::initialize(), &http, &origin).await.unwrap();
    }
}

/// The most common mistake: one cluster of all pods, in which Envoy balances, behind all their names.
#[tokio::test(flavor = "multi_thread")]
async fn one_cluster_behind_all_pod_names_is_noticed() {
    for mode in [Mode::Authority, Mode::DynamicHost] {
        let setup = Setup::start(mode.example(), App::Stateful, |mut example| {
            let hosts = &mut example.connection_manager()["route_config"]["virtual_hosts"];
            hosts[0]["routes"][0]["route"]["cluster"] = json!("myserver");
            example
        });
        let setup = setup.await.unwrap();
        opens_many(&setup).await;
        assert!(setup.envoy.counter("strayed").await > 0, "{mode:?}");
        let log = setup.envoy.log();
        let warning = warning(&log).expect("a warning");
        assert!(warning.contains("does one load-balanced cluster stand behind all"), "{warning}");
    }
}

/// A Service's own address, say.
#[tokio::test(flavor = "multi_thread")]
async fn one_address_behind_all_pod_names_is_noticed() {
    let setup = Setup::start("envoy.yaml", App::Stateful, |example| example).await.unwrap();
    setup.dns.set(&[Some(pod_ip(1)); 3], &[0, 1, 2]).await.unwrap();
    opens_many(&setup).await;
    assert!(setup.envoy.counter("strayed").await > 0);
    let log = setup.envoy.log();
    assert!(warning(&log).unwrap().contains("several pods answer from one address"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rolling_restart_is_none_where_pods_have_names() {
    for mode in [Mode::Authority, Mode::DynamicHost] {
        let mut setup = Setup::start(mode.example(), App::Stateful, unchanged).await.unwrap();
        let (http, origin) = (reqwest::Client::new(), setup.envoy.url(""));
        opens_many(&setup).await;
        let mut ips = [pod_ip(0), pod_ip(1), pod_ip(2)];
        let mut free = pod_ip(3);
        // Each gets the address that the one before it has left.
        for ordinal in (0..3).rev() {
            setup.pods.stop(ordinal).await;
            std::mem::swap(&mut free, &mut ips[ordinal]);
            setup.pods.start_again_at(ordinal, ips[ordinal]).unwrap();
            setup.dns.set(&ips.map(Some), &[0, 1, 2]).await.unwrap();
            let upstream = format!("upstream={}:{}", ips[ordinal], setup.pods.port);
            until("the pod at its new address", || async {
                let _ = got(Ask::initialize(), &http, &origin).await.unwrap();
                setup.envoy.access_log().contains(&upstream).then_some(())
            })
            .await;
        }
        opens_many(&setup).await;
        assert_eq!(setup.envoy.counter("strayed").await, 0, "{mode:?}");
    }
}
