//! An endpoint that is gone: Envoy's own response becomes MCP's, and stays Envoy's for other filters.

use kit::client::Ask;
use kit::wait::until;
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn the_503_for_an_endpoint_that_is_gone_becomes_a_404_that_other_filters_see() {
    let setup = super::changed(|mut example| {
        let mutation = json!({
            "name": "envoy.filters.http.header_mutation",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.http.header_mutation.v3.HeaderMutation",
                "mutations": {"response_mutations": [
                    {"append": {"header": {"key": "x-seen-by", "value": "another filter"}}},
                ]},
            },
        });
        example.filters().insert(0, mutation);
        example
    })
    .await;
    let (http, origin) = (reqwest::Client::new(), setup.envoy.url(""));
    let got = Ask::initialize().send(&http, &origin).await.expect("a response");
    let id = got.headers()["mcp-session-id"].clone();
    let used = Ask::tool("count").session(&id).send(&http, &origin).await.expect("a response");
    assert_eq!(used.status(), 200);
    let nowhere = [None, None, None];
    setup.dns.set(&nowhere, &[]).await.expect("the DNS takes it");
    let gone = until("the endpoint to be gone", async || {
        let got = Ask::tool("count").session(&id).send(&http, &origin).await.ok()?;
        (got.status() != 200).then_some(got)
    });
    let got = gone.await;
    assert_eq!(got.status(), 404);
    assert_eq!(got.headers()["x-seen-by"], "another filter");
    assert!(!got.headers().contains_key("mcp-session-id"));
    let body: serde_json::Value = got.json().await.expect("JSON");
    assert_eq!(body["error"]["code"], json!(-32001));
    assert!(setup.envoy.counter("unreachable").await >= 1);
}
