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

/// One Podpin for each of two workloads, on paths of their own.
fn with_another_podpin(mut example: Bootstrap) -> Bootstrap {
    example = example.plugin(|plugin| plugin["paths"] = json!(["/mcp"]));
    let first = example.clone().plugin(|plugin| {
        plugin["scope"] = json!("team-a");
        plugin["paths"] = json!(["/a"]);
    });
    let mut podpin = first.clone().filters()[0].clone();
    podpin["name"] = json!("podpin-a");
    let log = &mut example.connection_manager()["access_log"][0]["typed_config"];
    let format = &mut log["log_format"]["text_format_source"]["inline_string"];
    let a = "a=%FILTER_STATE(wasm.podpin.team-a.decision:PLAIN)%";
    *format = format!("{a} {}", format.as_str().expect("a format")).into();
    let routes = &mut example.connection_manager()["route_config"]["virtual_hosts"][0]["routes"];
    let routes = routes.as_array_mut().expect("routes");
    // The pods are to see what got past both.
    for route in routes.iter_mut() {
        route.as_object_mut().expect("a route").remove("request_headers_to_remove");
    }
    let mut of_a = routes[0].clone();
    of_a["match"]["filter_state"][0]["key"] = json!("wasm.podpin.team-a.pod");
    routes.insert(0, of_a);
    example.filters().insert(0, podpin);
    example
}

#[tokio::test(flavor = "multi_thread")]
async fn two_podpins_in_one_chain_leave_each_other_alone() {
    let setup = Setup::start("dynamic-host.yaml", App::Stateful, with_another_podpin).await;
    let setup = setup.expect("the set-up starts");
    let (http, origin) = (reqwest::Client::new(), setup.envoy.url(""));
    for (path, scope, other) in [("/a", "team-a", kit::SCOPE), ("/mcp", kit::SCOPE, "team-a")] {
        let send = |ask: Ask| ask.at(path).send(&http, &origin);
        let got = send(Ask::initialize()).await.expect("a response");
        let id = got.headers()["mcp-session-id"].clone();
        got.bytes().await.expect("all of the response");
        let opened_on = setup.pods.take_seen()[0].0;
        for _ in 0..6 {
            let forged = Ask::tool("count").session(&id).header("x-podpin-host", "127.0.0.1:1");
            let got = send(forged).await.expect("a response");
            assert_eq!(got.status(), 200, "{path}");
            got.bytes().await.expect("all of the response");
            let seen = setup.pods.take_seen();
            assert_eq!(seen[0].0, opened_on, "{path}");
            let host = seen[0].1.headers["x-podpin-host"].to_str().unwrap();
            assert!(host.starts_with(&format!("myserver-{opened_on}.")), "{path}: {host}");
        }
        assert_eq!(setup.envoy.counter_of(scope, "steered").await, 6);
        assert_eq!(
            setup.envoy.counter_of(other, "steered").await,
            if path == "/a" { 0 } else { 6 }
        );
    }
    // The first removes what clients send, wherever that goes, and the second nothing of the first's.
    assert_eq!(setup.envoy.counter_of("team-a", "stripped").await, 12);
    assert_eq!(setup.envoy.counter_of(kit::SCOPE, "stripped").await, 0);
    let log = kit::wait::until("the access log", || async {
        Some(setup.envoy.access_log()).filter(|log| log.lines().count() == 14)
    })
    .await;
    let noted = |line: &str| {
        let word =
            |key: &str| line.split(' ').find_map(|word| word.strip_prefix(key)).map(str::to_owned);
        (word("a=").unwrap(), word("decision=").unwrap())
    };
    let noted: Vec<_> = log.lines().map(noted).collect();
    assert!(noted[1..7].iter().all(|(a, other)| (a.as_str(), other.as_str()) == ("steered", "-")));
    assert!(noted[8..].iter().all(|(a, other)| (a.as_str(), other.as_str()) == ("-", "steered")));
}
