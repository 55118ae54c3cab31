//! Pods that come back elsewhere and still have their sessions, as servers have that persist them.

use kit::client::Ask;
use kit::dns::pod_ip;
use kit::pods::{App, Seen};
use kit::setup::{Setup, patient};
use kit::wait::until;

/// A server that knows each session, whoever opened it, but answers some requests with an error.
fn persistent(request: &Seen) -> http::Response<String> {
    // So that each request goes where Envoy's thread thinks that the pod is by then.
    let response = http::Response::builder()
        .header("content-type", "application/json")
        .header("connection", "close");
    let text = String::from_utf8_lossy(&request.body);
    let response = match text.contains("initialize") {
        true => response.header("mcp-session-id", "persisted"),
        false => response,
    };
    let body = match text.contains("bad") {
        true => r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"no"}}"#,
        false => r#"{"jsonrpc":"2.0","id":1,"result":{}}"#,
    };
    let status = if text.contains("bad") { 400 } else { 200 };
    response.status(status).body(body.to_owned()).expect("a response")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_a_pod_still_has_elsewhere_goes_on() {
    for example in ["envoy.yaml", "dynamic-host.yaml"] {
        let mut setup =
            Setup::start(example, App::Script(persistent), |example| example.plugin(patient))
                .await
                .expect("pods");
        let (http, url) = (reqwest::Client::new(), setup.envoy.url(""));
        let opened = Ask::initialize().send(&http, &url).await.expect("a response");
        assert_eq!(opened.headers()["mcp-session-id"], "persisted", "{example}");
        let (ordinal, _) = setup.pods.take_seen().pop().expect("a pod");

        // One more than the last ordinal, in the place of that one.
        let elsewhere = 3;
        setup.pods.add(pod_ip(elsewhere).into()).expect("a pod more");
        let mut ips = [0, 1, 2].map(pod_ip);
        ips[ordinal] = pod_ip(elsewhere);
        setup.dns.set(&ips.map(Some), &[0, 1, 2]).await.expect("names");
        let call = async |name: &str| {
            let asked = Ask::tool(name).session("persisted").send(&http, &url).await;
            asked.expect("a response").status().as_u16()
        };
        until("Envoy to hear of the address", || async {
            assert_eq!(call("good").await, 200, "{example}");
            setup.pods.take_seen().iter().any(|(pod, _)| *pod == elsewhere).then_some(())
        })
        .await;
        setup.pods.stop(ordinal).await;
        setup.pods.take_seen();
        assert_eq!(call("bad").await, 400, "{example}");
        assert_eq!(call("good").await, 200, "{example}");
        let posts = setup.pods.take_seen().into_iter();
        assert!(posts.filter(|(_, seen)| seen.method == "POST").all(|(pod, _)| pod == elsewhere));
        assert_eq!(setup.envoy.counter("lost").await, 0, "{example}");
    }
}
