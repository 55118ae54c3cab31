//! Other filters in the chain.

use kit::bootstrap::Bootstrap;
use kit::client::Ask;
use kit::pods::App;
use kit::setup::Setup;
use serde_json::{Value, json};

const ORIGIN: &str = "https://app.example";

/// CORS by Envoy itself, before Podpin, for all routes.
fn with_cors(mut example: Bootstrap) -> Bootstrap {
    let extension = "type.googleapis.com/envoy.extensions.filters.http.cors.v3";
    example.filters().insert(
        0,
        json!({
            "name": "envoy.filters.http.cors",
            "typed_config": {"@type": format!("{extension}.Cors")},
        }),
    );
    let policy = json!({
        "@type": format!("{extension}.CorsPolicy"),
        "allow_origin_string_match": [{"exact": ORIGIN}],
        "expose_headers": "mcp-session-id",
    });
    let hosts = &mut example.connection_manager()["route_config"]["virtual_hosts"];
    for host in hosts.as_array_mut().expect("virtual hosts") {
        host["typed_per_filter_config"] = json!({"envoy.filters.http.cors": policy});
    }
    example
}

async fn allowed(setup: &Setup, ask: Ask) -> (u16, Value) {
    let ask = ask.header("origin", ORIGIN);
    let got = ask.send(&reqwest::Client::new(), &setup.envoy.url("")).await.expect("a response");
    let origin = got.headers().get("access-control-allow-origin");
    let origin = origin.map(|origin| origin.to_str().unwrap().to_owned());
    assert_eq!(origin.as_deref(), Some(ORIGIN), "else a browser shows its page nothing");
    let (status, body) = (got.status().as_u16(), got.bytes().await.expect("a body"));
    (status, serde_json::from_slice(&body).expect("JSON"))
}

/// A browser's client must see the 404 from which it recovers, whoever gives it.
#[tokio::test(flavor = "multi_thread")]
async fn a_cors_filter_before_podpin_sees_every_response() {
    for example in ["envoy.yaml", "dynamic-host.yaml"] {
        let setup = Setup::start(example, App::Stateful, with_cors).await;
        let mut setup = setup.expect("the set-up starts");
        let http = reqwest::Client::new();
        let got = Ask::initialize().send(&http, &setup.envoy.url("")).await.expect("a response");
        let id = got.headers()["mcp-session-id"].clone();
        got.bytes().await.expect("all of the response");
        let not_found = json!(-32001);
        let (status, body) = allowed(&setup, Ask::tool("count").session("forged")).await;
        assert_eq!((status, &body["error"]["code"]), (404, &not_found), "unknown");
        let ordinal = setup.pods.take_seen().last().expect("a request was seen").0;
        setup.restart(ordinal).await;
        let (status, body) = allowed(&setup, Ask::tool("count").session(&id)).await;
        assert_eq!((status, &body["error"]["code"]), (404, &not_found), "lost");
        setup.envoy.counted("lost", 1).await;
    }
}

/// The reason why Podpin answered stands where Istio's default access log looks for it.
#[tokio::test(flavor = "multi_thread")]
async fn a_local_reply_says_why_in_its_details() {
    let setup = Setup::start("envoy.yaml", App::Stateful, |mut example| {
        let format = "details=%RESPONSE_CODE_DETAILS%\n";
        let log = &mut example.connection_manager()["access_log"][0]["typed_config"];
        log["log_format"]["text_format_source"]["inline_string"] = format.into();
        example
    });
    let setup = setup.await.expect("the set-up starts");
    for (id, wanted) in [("forged", "podpin_unknown"), ("not an id", "podpin_bad_session_id")] {
        let ask = Ask::tool("count").session(id);
        ask.send(&reqwest::Client::new(), &setup.envoy.url("")).await.expect("a response");
        kit::wait::until(wanted, || async {
            setup.envoy.access_log().contains(&format!("details={wanted}")).then_some(())
        })
        .await;
    }
}
