//! Nobody but Podpin chooses an address, whatever clients send and a Redis says.

use std::net::SocketAddr;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use kit::bootstrap::Bootstrap;
use kit::client::Ask;
use kit::discovered::{got, open};
use kit::dns::pod_ip;
use kit::envoy::Envoy;
use kit::mini_redis::Front;
use kit::mode::Mode;
use kit::pods::App;
use kit::scenarios::is_session_not_found;
use kit::setup::{Setup, SharedSetup, on_free_ports};
use kit::{DOMAIN, SCOPE};
use podpin::session::{Scope, SessionId};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::with_filter;

const REQUESTS: usize = 1000;

/// Numbers that are spread evenly, the same in every run (SplitMix64).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        ((z ^ (z >> 27)) as usize) % limit
    }

    fn one_of<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())]
    }
}

/// A request with steering headers of any number and order, in letters of any case.
fn request(numbers: &mut Numbers, session: &str, victims: &[String]) -> String {
    const NAMES: [&str; 7] = [
        "x-podpin-endpoint",
        "x-envoy-original-dst-host",
        "x-podpin-host",
        "x-podpin-anything",
        "x-pin",
        "x-forwarded-host",
        "x-envoy-retry-on",
    ];
    let method = numbers.one_of(&["GET", "POST", "DELETE", "OPTIONS", "PUT", "HEAD"]);
    let path = numbers.one_of(&["/mcp", "/mcp/", "/elsewhere", "/mcp?a=b", "/health", "/"]);
    let mut headers = vec!["host: mcp.example".to_owned(), "connection: close".to_owned()];
    for _ in 0..numbers.below(6) {
        let name: String = numbers
            .one_of(&NAMES)
            .chars()
            .map(|c| if numbers.below(2) == 0 { c.to_ascii_uppercase() } else { c })
            .collect();
        let victim = &victims[numbers.below(victims.len())];
        headers.insert(numbers.below(headers.len() + 1), format!("{name}: {victim}"));
    }
    match numbers.below(4) {
        0 => headers.push(format!("mcp-session-id: {session}")),
        1 => headers.push("mcp-protocol-version: 2026-07-28".to_owned()),
        2 => headers.push("mcp-session-id: forged".to_owned()),
        _ => {}
    }
    // The session lives to the end.
    let method = if method == "DELETE" && headers.last().unwrap().contains(session) {
        "POST"
    } else {
        method
    };
    format!("{method} {path} HTTP/1.1\r\n{}\r\ncontent-length: 0\r\n\r\n", headers.join("\r\n"))
}

#[tokio::test(flavor = "multi_thread")]
async fn no_steering_header_of_a_client_reaches_anything_but_a_pod() {
    // One that nobody may be sent to.
    let victim = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = victim.local_addr().unwrap().to_string();
    let custom = (Mode::Endpoint, "x-pin");
    for (mode, header) in
        Mode::ALL.map(|mode| (mode, "x-podpin-endpoint")).into_iter().chain([custom])
    {
        let setup = Setup::start(mode.example(), App::Stateful, |example| named(example, header));
        let setup = setup.await.unwrap();
        let (http, origin) = (reqwest::Client::new(), setup.envoy.url(""));
        let session = open(&http, &origin).await.unwrap();
        let pod = format!("{}:{}", pod_ip(1), setup.pods.port);
        let victims = [
            pod.clone(),
            STANDARD.encode(&pod),
            address.clone(),
            STANDARD.encode(&address),
            format!("{address},{address}"),
            "\u{e9}".to_owned(),
            String::new(),
        ];
        setup.pods.take_seen();
        let mut numbers = Numbers(mode as u64);
        let mut lanes = tokio::task::JoinSet::new();
        for _ in 0..REQUESTS {
            let request = request(&mut numbers, &session.id, &victims);
            let envoy = setup.envoy.address;
            lanes.spawn(async move {
                let status = exchange(envoy, &request, header).await;
                assert!(status != 503 && status != 502, "{status} to {request}");
            });
            if lanes.len() >= 16 {
                lanes.join_next().await.unwrap().unwrap();
            }
        }
        while let Some(lane) = lanes.join_next().await {
            lane.unwrap();
        }
        let accepted = tokio::time::timeout(Duration::ZERO, victim.accept()).await;
        assert!(accepted.is_err(), "{mode:?} led a request to the address of a client");
        // What Podpin itself did not answer reached a pod, without what the client had sent.
        let mut replied = 0;
        for decision in ["unknown", "bad_session_id", "unreachable", "strayed"] {
            replied += setup.envoy.counter(decision).await;
        }
        let seen = setup.pods.take_seen();
        assert_eq!(seen.len() as u64 + replied, REQUESTS as u64, "{mode:?}");
        for (_, seen) in &seen {
            let of_session = seen.headers.get("mcp-session-id").is_some_and(|id| id == &session.id);
            for (name, value) in &seen.headers {
                let steers =
                    name.as_str().starts_with("x-podpin-") || name == "x-envoy-original-dst-host";
                // There is Podpin's own in what it has steered.
                let text = String::from_utf8_lossy(value.as_bytes());
                let is_own = if mode.is_by_name() { text.contains(DOMAIN) } else { of_session };
                assert!(!steers || is_own, "{mode:?}: {name}: {text}");
            }
        }
        let answer = session.count(&http, &origin).await.unwrap();
        assert_eq!(answer.status, 200, "{mode:?}");
    }
}

/// The example with another name for the endpoint's header, if it has one.
fn named(example: Bootstrap, header: &str) -> Bootstrap {
    if header == "x-podpin-endpoint" {
        return example;
    }
    let example = with_filter(example, "envoy.filters.http.stateful_session", |filter| {
        filter["typed_config"]["session_state"]["typed_config"]["name"] = json!(header);
    });
    example.plugin(|plugin| plugin["steer"] = json!({"endpoint": {"header": header}}))
}

/// Sends a request as it is. The status of its response.
async fn exchange(envoy: SocketAddr, request: &str, header: &str) -> u16 {
    let mut stream = TcpStream::connect(envoy).await.expect("a connection");
    stream.write_all(request.as_bytes()).await.expect("it is sent");
    let mut head = Vec::new();
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        if stream.read_buf(&mut head).await.expect("a response") == 0 {
            break;
        }
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    assert!(!head.to_lowercase().contains(&format!("\n{header}:")), "{head}");
    head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status")
}

/// Everything that whoever can write to the Redis could put there.
#[tokio::test(flavor = "multi_thread")]
async fn hostile_records_lead_nowhere_outside_of_the_cluster() {
    let victim = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = victim.local_addr().unwrap().to_string();
    for (mode, is_limited) in
        [(Mode::Endpoint, false), (Mode::OverrideHost, false), (Mode::Endpoint, true)]
    {
        let setup = SharedSetup::start_for(mode.example(), Front::Webdis, App::Stateful).await;
        let setup = setup.unwrap();
        let mut example = on_free_ports(mode.example(), &setup.pods, &setup.dns).unwrap();
        example.take_store(setup.bootstrap().unwrap());
        let port = setup.pods.port;
        let example = example.plugin(|plugin| {
            if is_limited {
                plugin["workload"] = json!({"addresses": ["127.0.1.0/24"], "port": port});
            }
        });
        let envoy = Envoy::start(&example).await.unwrap();
        let (http, origin) = (reqwest::Client::new(), envoy.url(""));
        let session = open(&http, &origin).await.unwrap();
        let at = |endpoint: Value| {
            let later = u64::MAX / 2;
            json!({"v": 2, "endpoint": endpoint, "bound_at": later, "used_at": later}).to_string()
        };
        let records = [
            at(json!(address)),
            at(json!(format!("127.0.0.1:{port}"))),
            at(json!("169.254.169.254:80")),
            at(json!(format!("{address},{address}"))),
            at(json!("[::1]:1")),
            at(json!(["127.0.1.1:80"])),
            at(json!("metadata.internal:80")),
            r#"{"v":1,"host":"metadata.internal","bound_at":1,"used_at":1}"#.to_owned(),
            "\u{0}\u{ff}".to_owned(),
            "{".repeat(1000),
        ];
        for (number, record) in records.iter().enumerate() {
            let id = format!("stolen-{number}");
            let key = Scope::new(SCOPE).key(SessionId::parse(id.as_bytes()).unwrap());
            let name = format!("podpin:{key:x}");
            setup.redis.command(&["SET", &name, record, "EX", "3600"]).await.unwrap();
            for ask in [Ask::tool("count"), Ask::get(), Ask::delete()] {
                let is_delete = ask.method == Method::DELETE;
                let answer = got(ask.session(&id), &http, &origin).await.unwrap();
                // These servers accept a DELETE of any session, and the policy falls back to them.
                if !(is_delete && mode == Mode::OverrideHost && answer.status == 202) {
                    is_session_not_found(&answer);
                }
            }
        }
        let accepted = tokio::time::timeout(Duration::ZERO, victim.accept()).await;
        assert!(accepted.is_err(), "{mode:?} led a request to an address of the Redis");
        assert_eq!(session.count(&http, &origin).await.unwrap().status, 200, "{mode:?}");
    }
}
