//! What Envoy and filters before this one know of a request.

use kit::bootstrap::Bootstrap;
use kit::client::Ask;
use serde_json::{Value, json};

fn filter(name: &str, mut config: Value) -> Value {
    let name = format!("envoy.filters.http.{name}");
    let message = match name.ends_with("set_filter_state") {
        true => "set_filter_state.v3.Config",
        false => "header_to_metadata.v3.Config",
    };
    config["@type"] = format!("type.googleapis.com/envoy.extensions.filters.http.{message}").into();
    json!({"name": name, "typed_config": config})
}

/// Puts what the client says of itself where an authenticating filter would put it.
fn known(mut example: Bootstrap) -> Bootstrap {
    let state = json!({"on_request_headers": [{
        "object_key": "who", "factory_key": "envoy.string",
        "format_string": {"text_format_source": {"inline_string": "%REQ(x-user)%"}},
    }]});
    let metadata = json!({"request_rules": [{
        "header": "x-user",
        "on_header_present": {"metadata_namespace": "who", "key": "user", "type": "STRING"},
    }]});
    let filters = example.filters();
    filters.insert(0, filter("set_filter_state", state));
    filters.insert(0, filter("header_to_metadata", metadata));
    example
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_property_says_whose_a_session_is() {
    for path in
        [json!(["filter_state", "who"]), json!(["metadata", "filter_metadata", "who", "user"])]
    {
        let setup = super::changed(|example| {
            known(example.plugin(|plugin| {
                plugin["session"] = json!({"bind_to": [{"property": path}]});
            }))
        })
        .await;
        let (http, origin) = (reqwest::Client::new(), setup.envoy.url(""));
        let by = |user: &str, ask: Ask| ask.header("x-user", user);
        let got = by("alice", Ask::initialize()).send(&http, &origin).await.expect("a response");
        let id = got.headers()["mcp-session-id"].clone();
        for (user, wanted) in [("alice", 200), ("bob", 404), ("alice", 200)] {
            let ask = by(user, Ask::tool("count").session(&id));
            let got = ask.send(&http, &origin).await.expect("a response");
            assert_eq!(got.status(), wanted, "{user} by {path}");
        }
    }
}
