//! Redirects that Envoy follows by itself: the request goes through the filter once more, as the
//! filter left it.

use std::sync::atomic::{AtomicU64, Ordering};

use http::Response;
use kit::bootstrap::Bootstrap;
use kit::client::Ask;
use kit::pods::{App, Seen};
use kit::setup::Setup;
use serde_json::json;

use super::opening::RESULT;

/// Sends from `/mcp` to `/mcp/`: to the name that it was called by, which Envoy follows, or by a path
/// alone, which it leaves to the client.
fn redirects(seen: &Seen) -> Response<String> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    if seen.uri.path() == "/mcp" {
        let host = seen.headers["host"].to_str().unwrap();
        let location = match seen.headers.contains_key("x-absolute") {
            true => format!("http://{host}/mcp/"),
            false => "/mcp/".to_owned(),
        };
        let response = Response::builder().status(307).header("location", location);
        return response.body(String::new()).unwrap();
    }
    let fresh = || format!("redirected-{}", NEXT.fetch_add(1, Ordering::Relaxed));
    let id = seen.headers.get("mcp-session-id");
    let id = id.map_or_else(fresh, |id| id.to_str().unwrap().to_owned());
    Response::builder().header("mcp-session-id", id).body(RESULT.to_owned()).unwrap()
}

/// An example in which Envoy follows redirects and both paths are MCP's.
async fn setup(example: &str) -> Setup {
    Setup::start(example, App::Script(redirects), following).await.expect("the set-up starts")
}

fn following(mut example: Bootstrap) -> Bootstrap {
    let policy = json!({
        "max_internal_redirects": 2, "redirect_response_codes": [307],
    });
    let hosts = &mut example.connection_manager()["route_config"]["virtual_hosts"];
    for host in hosts.as_array_mut().unwrap() {
        for route in host["routes"].as_array_mut().unwrap() {
            if route["route"].is_object() {
                route["route"]["internal_redirect_policy"] = policy.clone();
            }
        }
    }
    example.plugin(|plugin| plugin["paths"] = json!(["/mcp", "/mcp/"]))
}

/// Both examples, and both kinds of location.
async fn each(mut test: impl AsyncFnMut(&str, &Setup, Ask)) {
    for example in ["envoy.yaml", "dynamic-host.yaml"] {
        for absolute in [false, true] {
            let ask = Ask::initialize().header("host", "mcp.example");
            let ask = if absolute { ask.header("x-absolute", "1") } else { ask };
            test(&format!("{example}, absolute: {absolute}"), &setup(example).await, ask).await;
        }
    }
}

async fn open(about: &str, setup: &Setup, ask: Ask) -> String {
    let got = ask.send(&reqwest::Client::new(), &setup.envoy.url("")).await.unwrap();
    assert_eq!(got.status(), 200, "{about}");
    got.headers()["mcp-session-id"].to_str().unwrap().to_owned()
}

fn hops(setup: &Setup) -> Vec<(usize, Seen)> {
    let mut seen = setup.pods.take_seen();
    // They come pod by pod.
    seen.sort_by_key(|(_, seen)| seen.uri.path().len());
    seen
}

#[tokio::test(flavor = "multi_thread")]
async fn an_initialize_that_is_redirected_binds_to_the_pod_that_opened_the_session() {
    each(async |about, setup, ask| {
        let id = open(about, setup, ask.clone()).await;
        let hops = hops(setup);
        let [(_, first), (pod, second)] = &hops[..] else { panic!("{about}: {hops:?}") };
        assert_eq!((first.uri.path(), second.uri.path()), ("/mcp", "/mcp/"), "{about}");
        assert!(second.body == ask.body, "{about}");
        assert_eq!(setup.envoy.counter("bound").await, 1, "{about}");
        for _ in 0..4 {
            open(about, setup, ask.clone().at("/mcp/").session(&id)).await;
            let hops: Vec<_> = self::hops(setup).iter().map(|(pod, _)| *pod).collect();
            assert_eq!(hops, [*pod], "{about}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_of_a_session_that_is_redirected_stays_on_its_pod() {
    each(async |about, setup, ask| {
        let id = open(about, setup, ask.clone()).await;
        let pod = hops(setup)[1].0;
        for _ in 0..4 {
            assert_eq!(open(about, setup, ask.clone().session(&id)).await, id, "{about}");
            let hops: Vec<_> = hops(setup).iter().map(|(pod, _)| *pod).collect();
            assert_eq!(hops, [pod, pod], "{about}");
        }
        assert_eq!(setup.envoy.counter("steered").await, 8, "{about}");
    })
    .await;
}

/// The pod sees the name that the client asked for last, whoever follows the redirect.
#[tokio::test(flavor = "multi_thread")]
async fn a_redirected_request_tells_the_pod_the_same_host_as_the_first() {
    each(async |about, setup, ask| {
        for forwarded in [None, Some("public.example")] {
            let ask = ask.clone();
            let ask = match forwarded {
                Some(host) => ask.header("x-forwarded-host", host),
                None => ask,
            };
            open(about, setup, ask).await;
            let hosts = hops(setup).into_iter().map(|(_, seen)| seen);
            let hosts: Vec<_> =
                hosts.map(|seen| seen.headers.get("x-forwarded-host").cloned()).collect();
            assert_eq!(hosts[0], hosts[1], "{about}");
        }
    })
    .await;
}
