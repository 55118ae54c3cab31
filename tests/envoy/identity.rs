//! Sessions that are bound to who opened them: by a token, by a header made of one, by a certificate.

use http::HeaderMap;
use kit::bootstrap::Bootstrap;
use kit::client::Ask;
use kit::jwt::{ISSUER, bearer};
use kit::peers::Peers;
use kit::pods::App;
use kit::setup::Setup;
use serde_json::json;

const EXAMPLE: &str = "identity.yaml";

async fn setup(change: impl FnOnce(Bootstrap) -> Bootstrap) -> Setup {
    Setup::start(EXAMPLE, App::Stateful, change).await.expect("the set-up starts")
}

/// Status, headers and body of the response to a request with this token.
async fn ask(setup: &Setup, ask: Ask, token: Option<&str>) -> (u16, HeaderMap, String) {
    let ask = match token {
        Some(token) => ask.header("authorization", token),
        None => ask,
    };
    let got = ask.send(&reqwest::Client::new(), &setup.envoy.url("")).await.expect("a response");
    let (status, headers) = (got.status().as_u16(), got.headers().clone());
    (status, headers, got.text().await.expect("a body"))
}

async fn open(setup: &Setup, token: &str) -> String {
    let (status, headers, body) = ask(setup, Ask::initialize(), Some(token)).await;
    assert_eq!(status, 200, "{body}");
    let id = headers["mcp-session-id"].to_str().expect("an id").to_owned();
    let initialized = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
    let initialized = Ask::post(initialized).session(&id);
    assert_eq!(ask(setup, initialized, Some(token)).await.0, 202);
    id
}

async fn call(setup: &Setup, id: &str, token: &str) -> u16 {
    ask(setup, Ask::tool("count").session(id), Some(token)).await.0
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_of_a_token_outlives_the_token_and_is_nobody_elses() {
    let setup = setup(|example| example).await;
    let (alice, bob) = (bearer(ISSUER, "alice", 1), bearer(ISSUER, "bob", 1));
    let id = open(&setup, &alice).await;
    assert_eq!(call(&setup, &id, &alice).await, 200);
    assert_eq!(call(&setup, &id, &bearer(ISSUER, "alice", 2)).await, 200, "a fresh token");
    for request in [Ask::tool("count"), Ask::get(), Ask::delete()] {
        let (status, _, body) = ask(&setup, request.clone().session(&id), Some(&bob)).await;
        let (unknown, _, same) = ask(&setup, request.session("unknown"), Some(&bob)).await;
        assert_eq!((status, unknown), (404, 404));
        assert_eq!(body, same);
    }
    assert_eq!(ask(&setup, Ask::tool("count").session(&id), None).await.0, 401, "by Envoy");
    assert_eq!(call(&setup, &id, &alice).await, 200);
    setup.envoy.counted("stranger", 3).await;
    let warned = setup.envoy.log().matches("is presented by another than who opened it").count();
    assert!((1..=3).contains(&warned), "{warned} warnings");
    assert!(!setup.envoy.log().contains(&id));
}

/// Also of a filter that is added later, so of any that `claim_to_headers` or `ext_authz` would set.
#[tokio::test(flavor = "multi_thread")]
async fn a_header_made_of_a_claim_cannot_be_forged() {
    let setup = setup(|mut example| {
        let authn =
            example.filters().iter_mut().find(|it| it["name"] == "envoy.filters.http.jwt_authn");
        let provider = &mut authn.expect("the filter")["typed_config"]["providers"]["clients"];
        provider["claim_to_headers"] = json!([{"header_name": "x-user", "claim_name": "sub"}]);
        example.plugin(|plugin| plugin["session"]["bind_to"] = json!([{"header": "x-user"}]))
    })
    .await;
    let (alice, bob) = (bearer(ISSUER, "alice", 1), bearer(ISSUER, "bob", 1));
    let id = open(&setup, &alice).await;
    for ask_as in ["alice", "alice, bob", ""] {
        let forged = Ask::tool("count").session(&id).header("x-user", ask_as);
        assert_eq!(ask(&setup, forged, Some(&bob)).await.0, 404, "{ask_as:?}");
    }
    let forged = Ask::tool("count").session(&id).header("x-user", "bob");
    assert_eq!(ask(&setup, forged, Some(&alice)).await.0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn neither_configuration_nor_logs_have_a_secret() {
    let setup = setup(|example| example).await;
    let id = open(&setup, &bearer(ISSUER, "alice", 1)).await;
    call(&setup, &id, &bearer(ISSUER, "bob", 1)).await;
    let dump = format!("http://{}/config_dump?include_eds", setup.envoy.admin);
    let dump = reqwest::get(dump).await.expect("the admin page").text().await.expect("text");
    assert!(dump.contains("PODPIN_KEYS"), "the name may be seen");
    for text in [dump, setup.envoy.log(), setup.envoy.access_log()] {
        assert!(!text.contains(kit::sealed::KEY) && !text.contains(&id));
    }
}

/// The response to a message over a connection: its status and the session that it names.
async fn say(
    peers: &Peers,
    setup: &Setup,
    workload: &str,
    session: Option<&str>,
) -> (u16, Option<String>) {
    let ask = match session {
        Some(session) => Ask::tool("count").session(session),
        None => Ask::initialize(),
    };
    let mut head = format!(
        "POST /mcp HTTP/1.1\r\nhost: mcp.example\r\ncontent-length: {}\r\n",
        ask.body.len()
    );
    for (name, value) in &ask.headers {
        head.push_str(&format!("{name}: {}\r\n", value.to_str().expect("text")));
    }
    let mut wire = peers.connect(setup.envoy.address, workload).await.expect("a connection");
    wire.send([head.as_bytes(), b"\r\n", &ask.body].concat()).await.expect("a request");
    let (status, headers) = wire.response().await.expect("a response");
    let session = headers.get("mcp-session-id").map(|id| id.to_str().expect("text").to_owned());
    (status.as_u16(), session)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_of_a_workload_of_the_mesh_is_no_other_workloads() {
    let peers = Peers::new().expect("an authority");
    let setup = Setup::start("envoy.yaml", App::Dialects, |mut example| {
        let listener = &mut example.0["static_resources"]["listeners"][0];
        listener["filter_chains"][0]["transport_socket"] = peers.transport_socket();
        example.plugin(|plugin| {
            let peer = json!({"property": ["connection", "uri_san_peer_certificate"]});
            plugin["session"] = json!({"bind_to": [peer], "require_subject": true});
        })
    });
    let setup = setup.await.expect("the set-up starts");
    let [one, other] =
        ["one", "other"].map(|it| format!("spiffe://mesh.example/ns/default/sa/{it}"));
    let (status, id) = say(&peers, &setup, &one, None).await;
    assert_eq!(status, 200);
    let id = id.expect("an id");
    assert_eq!(say(&peers, &setup, &one, Some(&id)).await.0, 200, "by another certificate of it");
    assert_eq!(say(&peers, &setup, &other, Some(&id)).await, (404, None));
    assert_eq!(say(&peers, &setup, &one, Some(&id)).await.0, 200);
    setup.envoy.counted("stranger", 1).await;
}
