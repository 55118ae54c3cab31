//! What Podpin does not touch arrives as it does without Podpin.

use http::HeaderMap;
use kit::client::Ask;
use kit::pods::Seen;
use kit::setup::Setup;
use serde_json::json;

/// How pods see requests, without what differs from one Envoy to the next.
async fn seen(setup: &Setup, ask: &Ask) -> Vec<(usize, Seen)> {
    setup.pods.take_seen();
    // One connection, hence one worker, whose round robin gives each pod as many.
    let http = reqwest::Client::builder().http2_prior_knowledge().build().unwrap();
    for _ in 0..9 {
        let got = ask.clone().send(&http, &setup.envoy.url("")).await.unwrap();
        got.bytes().await.unwrap();
    }
    let mut seen = setup.pods.take_seen();
    for (_, seen) in &mut seen {
        assert!(seen.headers.remove("x-request-id").is_some());
        let host = seen.headers.remove("host");
        assert_eq!(host.unwrap(), setup.envoy.address.to_string());
    }
    seen
}

fn sorted(headers: &HeaderMap) -> Vec<(String, Vec<u8>)> {
    let pairs = headers.iter().map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()));
    let mut pairs: Vec<_> = pairs.collect();
    pairs.sort();
    pairs
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_of_2026_07_28_is_the_same_with_and_without_podpin() {
    let (with, without) =
        (super::setup().await, super::changed(|example| example.without_podpin()).await);
    let call = json!({
        "jsonrpc": "2.0", "id": "a", "method": "tools/call",
        "params": {
            "name": "whoami", "arguments": {"text": "\u{e9}".repeat(50_000)},
            "_meta": {
                "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                "io.modelcontextprotocol/clientCapabilities": {},
            },
        },
    });
    let modern = Ask::post(call)
        .header("mcp-protocol-version", "2026-07-28")
        .header("mcp-method", "tools/call")
        .header("mcp-name", "=?base64?d2hvYW1p?=")
        .header("mcp-param-x", "\u{e9}");
    for ask in [modern.clone(), modern.session("stray")] {
        let (with, without) = (seen(&with, &ask).await, seen(&without, &ask).await);
        assert_eq!((with.len(), without.len()), (9, 9));
        for ((_, with), (_, without)) in with.iter().zip(&without) {
            assert_eq!(with.method, without.method);
            assert_eq!(with.uri, without.uri);
            assert_eq!(sorted(&with.headers), sorted(&without.headers));
            assert!(with.body == without.body && with.body == ask.body);
        }
        let per_pod = |ordinal| with.iter().filter(|(pod, _)| *pod == ordinal).count();
        assert_eq!([per_pod(0), per_pod(1), per_pod(2)], [3, 3, 3]);
    }
    assert_eq!(with.envoy.counter("sessionless").await, 18);
}
