//! Many sessions at once, over every connection there is.

use std::collections::{BTreeMap, HashSet};

use kit::client::{Ask, Session};
use kit::setup::Setup;

const SESSIONS: usize = 60;
const CALLS: u32 = 20;

fn http1() -> reqwest::Client {
    reqwest::Client::builder().http1_only().build().unwrap()
}

fn http2() -> reqwest::Client {
    reqwest::Client::builder().http2_prior_knowledge().build().unwrap()
}

/// Runs 60 sessions side by side, 20 calls in each.
async fn sessions_side_by_side(setup: &Setup, client: impl Fn() -> reqwest::Client) {
    let url = setup.envoy.url("/mcp");
    let running = (0..SESSIONS).map(|_| {
        let (url, client) = (url.clone(), client());
        tokio::spawn(async move {
            let session = Session::open(client, &url).await.expect("a session opens");
            for wanted in 1..=CALLS {
                assert_eq!(session.count().await.expect("no call is lost"), wanted);
            }
            let pod = session.pod().await.expect("no call is lost");
            session.close().await.expect("the session ends");
            pod
        })
    });
    let running: Vec<_> = running.collect();
    let mut per_pod = BTreeMap::<String, usize>::new();
    for session in running {
        *per_pod.entry(session.await.expect("the session was served")).or_default() += 1;
    }
    let pods: Vec<_> = per_pod.keys().map(String::as_str).collect();
    assert_eq!(pods, ["myserver-0", "myserver-1", "myserver-2"], "{per_pod:?}");
    setup.envoy.counted("ended", SESSIONS as u64).await;
    assert_eq!(setup.envoy.counter("bound").await, SESSIONS as u64);
    assert_eq!(setup.envoy.counter("unknown").await, 0);
    assert_eq!(setup.envoy.counter("lost").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_call_is_lost_over_http_1() {
    sessions_side_by_side(&super::setup().await, http1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_call_is_lost_over_http_2() {
    sessions_side_by_side(&super::setup().await, http2).await;
}

/// Every request on a connection of its own, so that both workers get some.
#[tokio::test(flavor = "multi_thread")]
async fn requests_of_one_session_agree_on_every_worker() {
    let setup = super::setup().await;
    let origin = setup.envoy.url("");
    let got = Ask::initialize().send(&http1(), &origin).await.unwrap();
    let id = got.headers()["mcp-session-id"].clone();
    setup.pods.take_seen();
    for _ in 0..40 {
        let ask = Ask::tool("count").session(&id);
        let got = ask.send(&http1(), &origin).await.unwrap();
        assert_eq!(got.status(), 200);
        got.bytes().await.unwrap();
    }
    let pods: HashSet<_> = setup.pods.take_seen().into_iter().map(|(pod, _)| pod).collect();
    assert_eq!(pods.len(), 1, "{pods:?}");
    let connections = setup.envoy.stats("worker_.*downstream_cx_total").await.unwrap();
    assert_eq!(connections.len(), 2, "{connections:?}");
    assert!(connections.values().all(|count| *count > 0), "{connections:?}");
}
