//! Requests that MCP does not have, but clients, browsers and probes do.

use std::collections::BTreeMap;

use http::Method;
use kit::bootstrap::Bootstrap;
use kit::client::Ask;
use kit::pods::{App, SeenSoFar};
use kit::setup::Setup;
use kit::wire::{Serving, Wire};
use serde_json::json;

use super::opening::{RESULT, id_of};

/// Opens a session for a POST that has none, and says to what is upgraded what it heard.
fn serves_anything(mut wire: Wire, seen: SeenSoFar) -> Serving {
    Box::pin(async move {
        loop {
            let request = wire.request(&seen).await?;
            let length = RESULT.len();
            match request.method.as_str() {
                _ if request.headers.contains_key("upgrade") => {
                    wire.send("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\n")
                        .await?;
                    wire.send("upgrade: websocket\r\n\r\n").await?;
                    let heard = wire.read(5).await?;
                    wire.send([b"heard ", &heard[..]].concat()).await?;
                }
                "HEAD" => {
                    wire.send(format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n"))
                        .await?;
                }
                "OPTIONS" => wire.send("HTTP/1.1 204 No Content\r\nallow: POST\r\n\r\n").await?,
                _ => {
                    wire.body(&request.headers).await?;
                    let id = id_of(&request);
                    let head = format!(
                        "HTTP/1.1 200 OK\r\nmcp-session-id: {id}\r\ncontent-length: {length}\r\n\r\n"
                    );
                    wire.send(head + RESULT).await?;
                }
            }
        }
    })
}

async fn setup() -> Setup {
    let example = |mut example: Bootstrap| {
        example.connection_manager()["upgrade_configs"] = json!([{"upgrade_type": "websocket"}]);
        example
    };
    let app = App::Wire(serves_anything);
    Setup::start("envoy.yaml", app, example).await.expect("the set-up starts")
}

/// Opens a session; its id, and the ordinal of its pod.
async fn open(setup: &Setup) -> (String, usize) {
    let got = Ask::initialize().send(&reqwest::Client::new(), &setup.envoy.url("")).await.unwrap();
    let id = got.headers()["mcp-session-id"].to_str().unwrap().to_owned();
    (id, setup.pods.take_seen()[0].0)
}

/// How many requests each pod has seen.
fn per_pod(setup: &Setup) -> BTreeMap<usize, usize> {
    let mut per_pod = BTreeMap::new();
    for (pod, _) in setup.pods.take_seen() {
        *per_pod.entry(pod).or_default() += 1;
    }
    per_pod
}

#[tokio::test(flavor = "multi_thread")]
async fn head_and_options_of_a_session_reach_its_pod() {
    let setup = setup().await;
    let (id, pod) = open(&setup).await;
    for (method, wanted) in [(Method::HEAD, 200), (Method::OPTIONS, 204)] {
        for _ in 0..4 {
            let ask = Ask::new(method.clone(), "").session(&id);
            let got = ask.send(&reqwest::Client::new(), &setup.envoy.url("")).await.unwrap();
            assert_eq!(got.status(), wanted, "{method}");
        }
        assert_eq!(per_pod(&setup), [(pod, 4)].into(), "{method}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn head_and_options_without_a_session_go_to_any_pod() {
    let setup = setup().await;
    // One connection, hence one worker, whose round robin gives each pod as many.
    let http = reqwest::Client::builder().http2_prior_knowledge().build().unwrap();
    for (method, wanted) in [(Method::HEAD, 200), (Method::OPTIONS, 204)] {
        for _ in 0..6 {
            let ask = Ask::new(method.clone(), "");
            let got = ask.send(&http, &setup.envoy.url("")).await.unwrap();
            assert_eq!(got.status(), wanted, "{method}");
        }
        assert_eq!(per_pod(&setup), [(0, 2), (1, 2), (2, 2)].into(), "{method}");
    }
    assert_eq!(setup.envoy.counter("no_session").await, 12);
}

/// The response to HEAD has no body, whatever its length would be, or the next one on the same
/// connection is taken for it.
#[tokio::test(flavor = "multi_thread")]
async fn the_404_to_a_head_has_no_body() {
    let setup = setup().await;
    let mut client = Wire::to(setup.envoy.address).await.unwrap();
    for _ in 0..2 {
        let request = "HEAD /mcp HTTP/1.1\r\nhost: mcp.example\r\nmcp-session-id: unknown\r\n\r\n";
        client.send(request).await.unwrap();
        let (status, headers) = client.response().await.unwrap();
        assert_eq!(status, 404);
        assert_eq!(headers["content-type"], "application/json");
    }
    assert_eq!(setup.envoy.counter("unknown").await, 2);
    assert!(per_pod(&setup).is_empty());
}

/// Asks for a WebSocket, and says `hello` to what comes of it.
async fn upgrade(setup: &Setup, more: &str) -> (Wire, u16) {
    let mut client = Wire::to(setup.envoy.address).await.unwrap();
    let request = format!(
        "GET /mcp HTTP/1.1\r\nhost: mcp.example\r\nconnection: upgrade\r\nupgrade: websocket\r\n{more}\r\n"
    );
    client.send(request).await.unwrap();
    let (status, _) = client.response().await.unwrap();
    (client, status.as_u16())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upgrade_reaches_the_pod_of_its_session_and_bytes_pass_both_ways() {
    let setup = setup().await;
    let (id, pod) = open(&setup).await;
    for (session, wanted) in
        [(format!("mcp-session-id: {id}\r\n"), Some(pod)), (String::new(), None)]
    {
        for _ in 0..4 {
            let (mut client, status) = upgrade(&setup, &session).await;
            assert_eq!(status, 101);
            client.send("hello").await.unwrap();
            assert_eq!(client.read(11).await.unwrap(), b"heard hello");
        }
        let seen = per_pod(&setup);
        assert_eq!(seen.values().sum::<usize>(), 4);
        assert!(wanted.is_none_or(|pod| seen == [(pod, 4)].into()), "{wanted:?}: {seen:?}");
    }
    assert_eq!(setup.envoy.counter("steered").await, 4);
    assert_eq!(setup.envoy.counter("no_session").await, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upgrade_of_an_unknown_session_is_answered_404() {
    let setup = setup().await;
    let (_, status) = upgrade(&setup, "mcp-session-id: unknown\r\n").await;
    assert_eq!(status, 404);
    assert!(per_pod(&setup).is_empty());
}

/// Sends the head, waits to be told to go on, and sends the body.
async fn expecting(setup: &Setup, ask: Ask) -> (u16, Option<String>) {
    let mut client = Wire::to(setup.envoy.address).await.unwrap();
    let length = ask.body.len();
    let mut head = format!(
        "POST /mcp HTTP/1.1\r\nhost: mcp.example\r\nexpect: 100-continue\r\ncontent-length: {length}\r\n"
    );
    for (name, value) in &ask.headers {
        head += &format!("{name}: {}\r\n", value.to_str().unwrap());
    }
    client.send(head + "\r\n").await.unwrap();
    let (status, _) = client.response().await.unwrap();
    if status != 100 {
        return (status.as_u16(), None);
    }
    client.send(ask.body).await.unwrap();
    let (status, headers) = client.response().await.unwrap();
    let id = headers.get("mcp-session-id").map(|id| id.to_str().unwrap().to_owned());
    (status.as_u16(), id)
}

/// Envoy answers 100 by itself, or leaves that to the pod.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_waits_for_100_continue_opens_and_uses_a_session() {
    for by_pod in [false, true] {
        let setup = super::changed(|mut example| {
            example.connection_manager()["proxy_100_continue"] = json!(by_pod);
            example
        });
        let setup = setup.await;
        let (status, id) = expecting(&setup, Ask::initialize()).await;
        assert_eq!(status, 200, "by the pod: {by_pod}");
        let id = id.expect("a session id");
        for _ in 0..4 {
            let (status, _) = expecting(&setup, Ask::tool("count").session(&id)).await;
            assert_eq!(status, 200, "by the pod: {by_pod}");
        }
        let seen = setup.pods.take_seen();
        assert_eq!(seen.len(), 5);
        for (pod, request) in &seen {
            assert_eq!(*pod, seen[0].0);
            assert_eq!(request.headers.contains_key("expect"), by_pod);
        }
        assert_eq!(setup.envoy.counter("bound").await, 1);
        assert_eq!(setup.envoy.counter("steered").await, 4);
        // Who is answered 404 need not send a body, and is not told to.
        let unknown = Ask::tool("count").session("unknown");
        let (status, _) = expecting(&setup, unknown).await;
        assert_eq!(status, 404, "by the pod: {by_pod}");
    }
}
