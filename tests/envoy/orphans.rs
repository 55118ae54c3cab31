//! Sessions that a pod opened and that no client learns of.

use std::net::SocketAddr;

use kit::client::Ask;
use kit::dns::pod_ip;
use kit::link::Mode;
use kit::mini_redis::Front;
use kit::pods::App;
use kit::setup::SharedSetup;
use kit::wait::until;

/// Sessions pile up on the pods for as long as none can be written down, unless they are ended.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_cannot_be_written_down_is_ended_on_its_pod() {
    let setup = SharedSetup::start(Front::Webdis, App::Stateful).await.expect("the set-up starts");
    let envoy = setup.envoy().await.expect("Envoy starts");
    setup.link.set(Mode::Closed);
    let http = reqwest::Client::new();
    let got = Ask::initialize().send(&http, &envoy.url("")).await.expect("a response");
    assert_eq!(got.status(), 503);
    assert!(!got.headers().contains_key("mcp-session-id"));
    let (ordinal, seen) = until("the pod to be told", || async {
        setup.pods.take_seen().into_iter().find(|(_, seen)| seen.method == "DELETE")
    })
    .await;
    assert_eq!(seen.uri.path(), "/mcp");
    let pod = format!("http://{}", SocketAddr::from((pod_ip(ordinal), setup.pods.port)));
    let got = Ask::tool("count").session(&seen.headers["mcp-session-id"]).send(&http, &pod).await;
    assert_eq!(got.expect("a response").status(), 404, "the pod itself no longer knows it");
}
