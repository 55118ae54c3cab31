//! An Envoy that is killed: it takes what it knew along, and its clients learn of it.

use kit::bootstrap::Bootstrap;
use kit::client::Ask;
use kit::dns::{Dns, any_port, pod_ip};
use kit::envoy::Envoy;
use kit::mode::Mode;
use kit::pods::{App, Pods};
use kit::scenarios::is_session_not_found;
use kit::setup::{on_free_ports, tls_of};
use kit::wait::{until, within};

const CLIENTS: usize = 8;

/// Opens a session and uses it for as long as somebody answers.
async fn uses_a_session(url: String) -> String {
    let http = reqwest::Client::new();
    let opened = Ask::initialize().send(&http, &url).await.expect("a response");
    let id = opened.headers()["mcp-session-id"].to_str().expect("an id").to_owned();
    drop(opened.bytes().await);
    loop {
        let Ok(response) = Ask::tool("count").session(&id).send(&http, &url).await else {
            return id;
        };
        assert!(response.status().is_success(), "{response:?}");
        if response.bytes().await.is_err() {
            return id;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_an_envoy_was_killed_under_load_every_old_session_is_answered_404() {
    for mode in Mode::ALL {
        is_killed(mode.example()).await;
    }
}

async fn is_killed(example: &str) {
    let tls = tls_of(example).expect("a certificate");
    let pods = Pods::start_with(3, None, App::Dialects, tls).expect("pods");
    let dns = Dns::start(any_port(), &[0, 1, 2].map(pod_ip)).await.expect("a DNS server");
    let example: Bootstrap = on_free_ports(example, &pods, &dns).expect("an example");
    let envoy = Envoy::start(&example).await.expect("Envoy starts");
    let clients: Vec<_> =
        (0..CLIENTS).map(|_| tokio::spawn(uses_a_session(envoy.url("")))).collect();
    until("load", || async { (envoy.counter("steered").await > 200).then_some(()) }).await;
    // By SIGKILL.
    drop(envoy);
    let envoy = Envoy::start(&example).await.expect("Envoy starts once more");
    for client in clients {
        let id = within("a client to notice", client).await.expect("it was served up to then");
        let (http, url) = (reqwest::Client::new(), envoy.url(""));
        let response = Ask::tool("count").session(&id).send(&http, &url);
        let response = within("an answer", response).await.expect("a response");
        let (status, headers) = (response.status(), response.headers().clone());
        let body = response.bytes().await.expect("a body").to_vec();
        is_session_not_found(&kit::client::Got { status, headers, body, pod: None });
    }
}
