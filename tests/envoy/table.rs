//! The table stays within its bounds, however many sessions are opened and abandoned.

use std::sync::atomic::{AtomicU64, Ordering};

use http::Response;
use kit::client::Ask;
use kit::envoy::Envoy;
use kit::pods::{App, Seen};
use kit::setup::Setup;
use serde_json::json;

const CAPACITY: u64 = 8192;
const ABANDONED: u64 = 200_000;
const PARTS: u64 = 1000;
const LANES: u64 = 8;

/// Opens sessions by the thousand: real servers would keep each in their own memory.
pub(crate) fn opens_and_forgets(seen: &Seen) -> Response<String> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let response = Response::builder().header("content-type", "application/json");
    let response = match seen.headers.contains_key("mcp-session-id") {
        true => response,
        false => {
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            response.header("mcp-session-id", format!("abandoned-{number}"))
        }
    };
    response.body(r#"{"jsonrpc":"2.0","id":0,"result":{}}"#.to_owned()).unwrap()
}

pub(crate) async fn abandon(envoy: &Envoy, sessions: u64) {
    let http = reqwest::Client::new();
    let lanes = (0..LANES).map(|_| {
        let (origin, http) = (envoy.url(""), http.clone());
        tokio::spawn(async move {
            for _ in 0..sessions / LANES {
                let got = Ask::initialize().send(&http, &origin).await.expect("a response");
                assert_eq!(got.status(), 200);
                got.bytes().await.expect("all of the response");
            }
        })
    });
    for lane in lanes.collect::<Vec<_>>() {
        lane.await.expect("every session opens");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn abandoned_sessions_cost_bounded_memory_and_spare_those_in_use() {
    let setup = Setup::start("envoy.yaml", App::Script(opens_and_forgets), |example| {
        example.plugin(|plugin| plugin["store"] = json!({"capacity": CAPACITY}))
    });
    let setup = setup.await.expect("the set-up starts");

    let http = reqwest::Client::new();
    let mut live = Vec::new();
    for _ in 0..32 {
        let got = Ask::initialize().send(&http, &setup.envoy.url("")).await.unwrap();
        live.push(got.headers()["mcp-session-id"].clone());
    }
    let mut resident = Vec::new();
    for part in 1..=PARTS {
        abandon(&setup.envoy, ABANDONED / PARTS).await;
        // In 1536 buckets, so hardly one of them has got a second session since the last round.
        for id in &live {
            let ask = Ask::tool("count").session(id);
            let got = ask.send(&http, &setup.envoy.url("")).await.expect("a response");
            assert_eq!(got.status(), 200, "a session in use gave way to an idle one");
            got.bytes().await.expect("all of the response");
        }
        if part % (PARTS / 10) == 0 {
            setup.pods.take_seen();
            resident.push(setup.envoy.resident_kb());
        }
    }

    let opened = ABANDONED + live.len() as u64;
    let evicted = setup.envoy.counter("evicted").await;
    assert_eq!(setup.envoy.counter("bound").await, opened);
    // It may hold half as many again as it has to.
    let most = CAPACITY / 2 * 3;
    assert!((opened - most..=opened - CAPACITY).contains(&evicted), "{evicted} of {opened}");
    // All buckets are full after the first part or two.
    let grown = resident[9].saturating_sub(resident[2]) * 1024;
    let since = ABANDONED / 10 * 7;
    assert!(grown / since < 25, "{grown} bytes for {since} sessions; resident KB: {resident:?}");
}
