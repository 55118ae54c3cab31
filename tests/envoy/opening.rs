//! Ways to ask for a session and to open one that the servers of the scenarios do not have.

use std::io::Write as _;
use std::process::{Command, Stdio};

use http::Response;
use kit::client::Ask;
use kit::pods::{App, Seen, SeenSoFar};
use kit::setup::Setup;
use kit::wire::{Serving, Wire};
use serde_json::json;

pub(super) const RESULT: &str = r#"{"jsonrpc":"2.0","id":0,"result":{}}"#;

/// A session id that tells which pod it is of: the first label of the name that it was called by.
pub(super) fn id_of(seen: &Seen) -> String {
    // HTTP/2 has it in the URI.
    let host = seen.headers.get("host").map(|host| host.to_str().expect("a name"));
    let host = host.or(seen.uri.host()).expect("a name");
    format!("of-{}", host.split('.').next().expect("a label"))
}

/// Asserts that the session, the first of this Envoy, is bound to the pod that opened it.
async fn is_bound(setup: &Setup, id: &str) {
    is_bound_as(setup, id, 1).await;
}

async fn is_bound_as(setup: &Setup, id: &str, number: u64) {
    assert_eq!(setup.envoy.counter("bound").await, number);
    setup.pods.take_seen();
    for _ in 0..4 {
        let ask = Ask::tool("count").session(id);
        let got = ask.send(&reqwest::Client::new(), &setup.envoy.url("")).await.unwrap();
        assert_eq!(got.status(), 200);
    }
    let seen = setup.pods.take_seen();
    assert_eq!(seen.len(), 4);
    assert!(seen.iter().all(|(pod, _)| id == format!("of-myserver-{pod}")), "{id}: {seen:?}");
}

async fn pods_that(app: App) -> Setup {
    Setup::start("envoy.yaml", app, |example| example).await.expect("the set-up starts")
}

/// Only a session id, or only a body.
fn opens_by_headers_alone(seen: &Seen) -> Response<String> {
    match seen.headers.contains_key("mcp-session-id") {
        true => Response::new(RESULT.to_owned()),
        false => {
            let response = Response::builder().header("mcp-session-id", id_of(seen));
            response.body(String::new()).unwrap()
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_bound_by_headers_alone() {
    let setup = pods_that(App::Script(opens_by_headers_alone)).await;
    let http = reqwest::Client::new();
    let got = Ask::initialize().send(&http, &setup.envoy.url("")).await.unwrap();
    assert_eq!(got.status(), 200);
    assert_eq!(got.headers()["content-length"], "0");
    let id = got.headers()["mcp-session-id"].to_str().unwrap().to_owned();
    is_bound(&setup, &id).await;
}

/// Where HTTP/2 ends the stream with the headers, no body comes at all.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_bound_by_headers_alone_over_http_2() {
    let app = App::Script(opens_by_headers_alone);
    let setup = Setup::start("envoy.yaml", app, |mut example| {
        let clusters = example.0["static_resources"]["clusters"].as_array_mut().unwrap();
        let pods = clusters.iter_mut().find(|cluster| cluster["name"] == "pods").unwrap();
        const OPTIONS: &str = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
        pods["typed_extension_protocol_options"] = json!({OPTIONS: {
            "@type": format!("type.googleapis.com/{OPTIONS}"),
            "explicit_http_config": {"http2_protocol_options": {}},
            // Envoy insists on these for a dynamic forward proxy, as if it spoke TLS.
            "upstream_http_protocol_options": {"auto_sni": true, "auto_san_validation": true},
        }});
        example
    });
    let setup = setup.await.expect("the set-up starts");
    let http = reqwest::Client::builder().http2_prior_knowledge().build().unwrap();
    let got = Ask::initialize().send(&http, &setup.envoy.url("")).await.unwrap();
    assert_eq!(got.status(), 200);
    let id = got.headers()["mcp-session-id"].to_str().unwrap().to_owned();
    assert_eq!(got.bytes().await.unwrap(), "");
    let stats = setup.envoy.stats("cluster.pods.upstream_cx_http2_total").await.unwrap();
    assert!(stats["cluster.pods.upstream_cx_http2_total"] > 0);
    is_bound(&setup, &id).await;
}

/// Answers `initialize` before it reads the body, as its header `x-answer` says.
fn opens_early(mut wire: Wire, seen: SeenSoFar) -> Serving {
    Box::pin(async move {
        loop {
            let request = wire.request(&seen).await?;
            let (id, length) = (id_of(&request), RESULT.len());
            let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n";
            let head = match request.headers.contains_key("mcp-session-id") {
                true => format!("{head}content-length: {length}\r\n\r\n"),
                false => format!("{head}mcp-session-id: {id}\r\ncontent-length: {length}\r\n\r\n"),
            };
            wire.send(head).await?;
            match request.headers.get("x-answer").map(|answer| answer.as_bytes()) {
                Some(b"all") => {
                    wire.send(RESULT).await?;
                    wire.body(&request.headers).await?;
                }
                Some(b"all and close") => return wire.send(RESULT).await,
                _ => {
                    wire.body(&request.headers).await?;
                    wire.send(RESULT).await?;
                }
            }
        }
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_bound_by_an_answer_that_comes_before_half_of_the_request() {
    let bodies = [
        ("the method is known", r#"{"method":"initialize","#, r#""jsonrpc":"2.0","id":0}"#),
        ("the method is not known", r#"{"jsonrpc":"2.0","id":0,"#, r#""method":"initialize"}"#),
        ("nothing is known", "", r#"{"jsonrpc":"2.0","id":0,"method":"initialize"}"#),
    ];
    let (setup, mut number) = (pods_that(App::Wire(opens_early)).await, 0);
    for answer in ["head", "all", "all and close"] {
        for (about, half, rest) in bodies {
            let about = format!("{answer}, {about}");
            number += 1;
            let mut client = Wire::to(setup.envoy.address).await.unwrap();
            let length = half.len() + rest.len();
            let head = format!(
                "POST /mcp HTTP/1.1\r\nhost: mcp.example\r\nx-answer: {answer}\r\n\
                 content-type: application/json\r\ncontent-length: {length}\r\n\r\n"
            );
            client.send(head + half).await.unwrap();
            let (status, headers) = client.response().await.expect(&about);
            assert_eq!(status, 200, "{about}");
            if answer == "head" {
                client.send(rest).await.unwrap();
            }
            let body = client.body(&headers).await.expect(&about);
            assert_eq!(String::from_utf8_lossy(&body), RESULT, "{about}");
            is_bound_as(&setup, headers["mcp-session-id"].to_str().unwrap(), number).await;
        }
    }
}

/// Answers compressed, whatever was asked.
fn opens_compressed(mut wire: Wire, seen: SeenSoFar) -> Serving {
    Box::pin(async move {
        loop {
            let request = wire.request(&seen).await?;
            let asked = wire.body(&request.headers).await?;
            seen.lock().unwrap().last_mut().expect("a request").body = asked;
            let (id, body) = (id_of(&request), gzip(RESULT));
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-encoding: gzip\r\n\
                 mcp-session-id: {id}\r\ncontent-length: {}\r\n\r\n",
                body.len(),
            );
            wire.send([head.as_bytes(), &body].concat()).await?;
        }
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_bound_by_a_compressed_answer_that_passes_as_it_is() {
    let setup = pods_that(App::Wire(opens_compressed)).await;
    let got = Ask::initialize().send(&reqwest::Client::new(), &setup.envoy.url("")).await.unwrap();
    assert_eq!(got.headers()["content-encoding"], "gzip");
    let id = got.headers()["mcp-session-id"].to_str().unwrap().to_owned();
    assert_eq!(got.bytes().await.unwrap(), gzip(RESULT));
    is_bound(&setup, &id).await;
}

/// What cannot be read may be an `initialize`.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_bound_by_a_compressed_request_that_passes_as_it_is() {
    let setup = pods_that(App::Wire(opens_compressed)).await;
    let mut ask = Ask::initialize().header("content-encoding", "gzip");

    ask.body = gzip(std::str::from_utf8(&ask.body).unwrap());
    let body = ask.body.clone();
    let got = ask.send(&reqwest::Client::new(), &setup.envoy.url("")).await.unwrap();
    assert_eq!(got.status(), 200);
    let seen = setup.pods.take_seen();
    assert!(seen.len() == 1 && seen[0].1.body == body, "{seen:?}");
    is_bound(&setup, got.headers()["mcp-session-id"].to_str().unwrap()).await;
}

fn gzip(text: &str) -> Vec<u8> {
    let mut gzip = Command::new("gzip");
    gzip.arg("--no-name").stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut gzip = gzip.spawn().expect("gzip, which is on every Debian");
    // Short enough for the pipe, so it need not be read meanwhile.
    gzip.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    gzip.wait_with_output().unwrap().stdout
}
