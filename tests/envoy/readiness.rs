//! Pods that are not ready keep their sessions and get nothing else that Envoy balances.

use std::collections::BTreeSet;

use kit::client::Ask;
use kit::pods::App;
use kit::setup::Setup;
use serde_json::{Value, json};

/// The pod that is not ready.
const NOT_READY: usize = 2;

#[tokio::test(flavor = "multi_thread")]
async fn a_request_without_a_session_never_reaches_a_pod_that_is_not_ready() {
    for example in ["envoy.yaml", "dynamic-host.yaml"] {
        let last_only = |plugin: &mut Value| plugin["placement"] = json!({"drain": [0, 1]});
        let change = |example: kit::bootstrap::Bootstrap| example.plugin(last_only);
        let setup = Setup::start_ready(example, App::Stateful, &[0, 1], change).await.unwrap();
        let (http, origin) = (reqwest::Client::new(), setup.envoy.url(""));
        let got = Ask::initialize().send(&http, &origin).await.unwrap();
        let id = got.headers()["mcp-session-id"].clone();
        setup.envoy.counted("bound", 1).await;
        setup.pods.take_seen();

        for _ in 0..15 {
            let modern = Ask::tool("whoami").header("mcp-protocol-version", "2026-07-28");
            for ask in [Ask::get(), modern] {
                let got = ask.send(&http, &origin).await.unwrap();
                assert_ne!(got.status(), 503, "{example}");
            }
        }
        let seen = setup.pods.take_seen();
        assert_eq!(seen.len(), 30, "{example}");
        let reached: BTreeSet<_> = seen.iter().map(|(ordinal, _)| *ordinal).collect();
        assert_eq!(reached, [0, 1].into(), "{example}");

        let got = Ask::tool("count").session(&id).send(&http, &origin).await.unwrap();
        assert_eq!(got.status(), 200, "{example}");
        assert_eq!(setup.pods.take_seen()[0].0, NOT_READY, "{example}");
    }
}
