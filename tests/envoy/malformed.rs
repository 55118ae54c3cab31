//! Whatever comes over the wire, the filter lives and serves the next honest client.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use kit::client::Session;
use kit::setup::Setup;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const REQUESTS: usize = 10_000;
const LANES: usize = 8;

/// An HTTP/1.1 request with something wrong about it, byte for byte.
fn malformed() -> impl Strategy<Value = Vec<u8>> {
    let bytes = |most| prop::collection::vec(any::<u8>(), 0..most);
    let value = prop_oneof![
        bytes(40),
        bytes(2000),
        Just(b"a".to_vec()),
        Just(b"".to_vec()),
        Just(b"\xff".to_vec()),
        Just(b"2025-06-18".to_vec()),
        Just(b"2026-07-28".to_vec()),
        Just(b"127.0.0.1:1".to_vec()),
    ];
    let name = prop_oneof![
        Just(b"mcp-session-id".to_vec()),
        Just(b"Mcp-Session-Id".to_vec()),
        Just(b"mcp-protocol-version".to_vec()),
        Just(b"x-podpin-host".to_vec()),
        Just(b"x-podpin-\xff".to_vec()),
        Just(b"x-envoy-original-dst-host".to_vec()),
        Just(b"x-forwarded-host".to_vec()),
        bytes(12),
    ];
    let line = prop_oneof![
        4 => Just(b"POST /mcp HTTP/1.1\r\nHost: a\r\n".to_vec()),
        1 => Just(b"GET /mcp?sessionId=\xff HTTP/1.1\r\nHost: a\r\n".to_vec()),
        1 => Just(b"DELETE /mcp HTTP/1.1\r\nHost: \xff\r\n".to_vec()),
        1 => Just(b"POST /mcp HTTP/1.0\r\n".to_vec()),
        1 => bytes(60),
    ];
    let body = prop_oneof![
        bytes(300),
        Just(br#"{"method":"initialize"}"#.to_vec()),
        Just(br#"{"method":"initialize","params":{"a":[[[["#.to_vec()),
        Just(b"\x1f\x8b\x08".to_vec()),
    ];
    let headers = prop::collection::vec((name, value), 0..6);
    (line, headers, body).prop_map(|(mut request, headers, body)| {
        for (name, value) in headers {
            request.extend([&name[..], b": ", &value, b"\r\n"].concat());
        }
        let length = body.len();
        request.extend(format!("Connection: close\r\nContent-Length: {length}\r\n\r\n").bytes());
        request.extend(body);
        request
    })
}

/// Sends a request on a connection of its own and reads until Envoy has answered and closed.
async fn answered(setup: &Setup, request: &[u8]) {
    let mut stream = TcpStream::connect(setup.envoy.address).await.expect("Envoy listens");
    let exchange = async {
        // Envoy may close before all was sent.
        let _ = stream.write_all(request).await;
        let _ = stream.read_to_end(&mut Vec::new()).await;
    };
    let ended = tokio::time::timeout(Duration::from_secs(60), exchange).await;
    assert!(ended.is_ok(), "no end to {}", request.escape_ascii());
}

/// What Envoy tells of its VMs: how many run, were made, and were made anew after a failure.
async fn machines(setup: &Setup) -> BTreeMap<String, u64> {
    let stats = setup.envoy.stats("wasm\\.").await.expect("Envoy's stats");
    assert_eq!(stats["wasm.podpin.vm_reload"], 0);
    stats.into_iter().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_malformed_requests_leave_the_filter_alive() {
    // Envoy would wait a second for a client to close first.
    let setup = super::changed(|mut example| {
        example.connection_manager()["delayed_close_timeout"] = json!("0s");
        example
    });
    let setup = Arc::new(setup.await);
    let before = machines(&setup).await;
    let mut runner = TestRunner::deterministic();
    let requests: Vec<_> =
        (0..REQUESTS).map(|_| malformed().new_tree(&mut runner).unwrap().current()).collect();
    let lanes = requests.chunks(REQUESTS / LANES).map(|lane| {
        let (setup, lane) = (setup.clone(), lane.to_vec());
        tokio::spawn(async move {
            for request in &lane {
                answered(&setup, request).await;
            }
        })
    });
    let lanes: Vec<_> = lanes.collect();
    let honest = Session::open(reqwest::Client::new(), &setup.envoy.url("/mcp")).await.unwrap();
    for wanted in 1..=200 {
        assert_eq!(honest.count().await.expect("an honest client is served"), wanted);
    }
    for lane in lanes {
        lane.await.expect("every request comes to an end");
    }
    assert_eq!(honest.count().await.expect("an honest client is served"), 201);

    assert_eq!(machines(&setup).await, before, "no VM died");
    for seen in ["bad_session_id", "unknown", "stripped", "sessionless"] {
        assert!(setup.envoy.counter(seen).await > 200, "the filter saw them: {seen}");
    }
}
