//! A panic in a hook ends what that hook was called for, and nothing else.

use kit::bootstrap::{Bootstrap, publish};
use kit::client::Ask;
use kit::envoy::Envoy;
use kit::listeners::{by_file, listener};
use kit::native::TRIP;
use kit::pods::App;
use kit::root;
use kit::setup::{Setup, on_free_ports};
use kit::wait::until;
use serde_json::json;

/// The example with a module that panics where it is asked to.
fn tripping(example: Bootstrap) -> Bootstrap {
    example.with_module(&root().join(TRIP))
}

async fn panicked(envoy: &Envoy, hook: &str) -> u64 {
    let stats = envoy.stats("podpin_panicked_total").await.expect("stats");
    let ending = format!(".hook.{hook}");
    stats.into_iter().filter(|(name, _)| name.ends_with(&ending)).map(|(_, count)| count).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_in_any_hook_of_a_stream_fails_that_exchange_alone() {
    let setup = super::changed(tripping).await;
    let (http, origin) = (reqwest::Client::new(), setup.envoy.url(""));
    let open = async || {
        let got = Ask::initialize().send(&http, &origin).await.expect("a response");
        got.headers()["mcp-session-id"].clone()
    };
    let id = open().await;
    for (hook, wanted) in [
        ("request_headers", Some(503)),
        ("request_body", Some(503)),
        ("response_headers", Some(503)),
        ("response_body", None),
        ("stream_complete", Some(200)),
    ] {
        let ask = Ask::tool("count").session(&id).header("x-trip", hook);
        let got = match ask.send(&http, &origin).await {
            Ok(got) => {
                let status = got.status().as_u16();
                got.bytes().await.ok().map(|_| status)
            }
            Err(_) => None,
        };
        assert_eq!(got, wanted, "{hook}");
        until("the panic to be counted", async || {
            (panicked(&setup.envoy, hook).await == 1).then_some(())
        })
        .await;
        let got = Ask::tool("count").session(&id).send(&http, &origin).await.expect("a response");
        assert_eq!(got.status(), 200, "after {hook}");
    }
    assert!(setup.envoy.log().contains("podpin: panicked at"));
}

/// The one that brings what an exchange has waited for.
#[tokio::test(flavor = "multi_thread")]
async fn a_panic_when_an_exchange_is_woken_fails_that_exchange_alone() {
    let mut setup = super::changed(tripping).await;
    let (http, origin) = (reqwest::Client::new(), setup.envoy.url(""));
    let mut ids = Vec::new();
    for _ in 0..3 {
        let got = Ask::initialize().send(&http, &origin).await.expect("a response");
        ids.push(got.headers()["mcp-session-id"].clone());
    }
    for ordinal in 0..3 {
        setup.restart(ordinal).await;
    }
    // The pod says 404 to a GET, and so is asked.
    let ask = |id| Ask::get().session(id).header("x-dialect", "404");
    let tripped = ask(&ids[0]).header("x-trip", "scheduled").send(&http, &origin).await;
    assert_eq!(tripped.expect("a response").status(), 503);
    assert_eq!(panicked(&setup.envoy, "scheduled").await, 1);
    let got = ask(&ids[1]).send(&http, &origin).await.expect("a response");
    assert_eq!(got.status(), 404);
}

/// `PODPIN_TRIP` names it.
#[tokio::test(flavor = "multi_thread")]
async fn a_panic_in_a_hook_of_the_configuration_stops_no_request() {
    let setup = super::changed(|example| example).await;
    let example = || tripping(on_free_ports("native.yaml", &setup.pods, &setup.dns).unwrap());
    for hook in ["config_scheduled", "new", "destroy"] {
        let variables = vec![("PODPIN_TRIP", hook.to_owned())];
        let envoy = Envoy::start_knowing(&example(), variables).await.expect("Envoy starts");
        let (http, origin) = (reqwest::Client::new(), envoy.url(""));
        let got = Ask::initialize().send(&http, &origin).await.expect("a response");
        if hook == "new" {
            // There is no filter for this request, so it goes nowhere.
            assert_eq!(got.status(), 503);
            until("it to be counted", async || (panicked(&envoy, hook).await == 1).then_some(()))
                .await;
            continue;
        }
        assert_eq!(got.status(), 200);
        let least = if hook == "destroy" { 1 } else { 2 };
        until("a tick", async || (panicked(&envoy, hook).await >= least).then_some(())).await;
        let id = &got.headers()["mcp-session-id"];
        let got = Ask::tool("count").session(id).send(&http, &origin).await.expect("a response");
        assert_eq!(got.status(), 200);
    }
}

/// There is nothing yet that could count it.
#[tokio::test(flavor = "multi_thread")]
async fn a_panic_in_a_new_configuration_refuses_it() {
    let setup = super::changed(|example| example).await;
    let example = tripping(on_free_ports("native.yaml", &setup.pods, &setup.dns).unwrap());
    let variables = vec![("PODPIN_TRIP", "config_new".to_owned())];
    let Err(refused) = Envoy::start_knowing(&example, variables).await else {
        panic!("Envoy starts");
    };
    let log = format!("{refused:#}");
    assert!(log.contains("podpin: panicked at"), "{log}");
    assert!(log.contains("Failed to initialize dynamic module"), "{log}");
}

/// Nor is there any more.
#[tokio::test(flavor = "multi_thread")]
async fn a_panic_at_the_end_of_a_configuration_keeps_the_next_from_nothing() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("listeners.json");
    let setup = super::changed(|example| example).await;
    let example =
        || tripping(on_free_ports("native.yaml", &setup.pods, &setup.dns).expect("the example"));
    publish(&[listener(&example())], &file);
    let variables = vec![("PODPIN_TRIP", "config_destroy".to_owned())];
    let by_file = by_file(example(), &file);
    let envoy = Envoy::start_brief_knowing(&by_file, variables).await.expect("Envoy starts");
    let (http, origin) = (reqwest::Client::new(), envoy.url(""));
    let got = Ask::initialize().send(&http, &origin).await.expect("a response");
    let id = got.headers()["mcp-session-id"].clone();
    let next = example().plugin(|plugin| plugin["session"] = json!({"max_age": "12h"}));
    publish(&[listener(&next)], &file);
    until("the panic", async || envoy.log().contains("podpin: panicked at").then_some(())).await;
    let got = Ask::tool("count").session(&id).send(&http, &origin).await.expect("a response");
    assert_eq!(got.status(), 200);
}

/// Without what came of a request of the filter's own, an exchange that waits for it waits in vain, but not
/// for ever.
#[tokio::test(flavor = "multi_thread")]
async fn a_panic_at_the_response_to_a_callout_keeps_nobody_waiting() {
    let mut setup = Setup::start("native.yaml", App::Stateful, |example| {
        tripping(example.plugin(|plugin| plugin["probe"]["timeout"] = json!("1s")))
    })
    .await
    .expect("the set-up starts");
    let example = tripping(on_free_ports("native.yaml", &setup.pods, &setup.dns).unwrap());
    let variables = vec![("PODPIN_TRIP", "config_http_callout_done".to_owned())];
    let envoy = Envoy::start_knowing(&example, variables).await.expect("Envoy starts");
    let (http, origin) = (reqwest::Client::new(), envoy.url(""));
    let got = Ask::initialize().send(&http, &origin).await.expect("a response");
    let id = got.headers()["mcp-session-id"].clone();
    for ordinal in 0..3 {
        setup.restart(ordinal).await;
    }
    let got = Ask::get().session(&id).send(&http, &origin).await.expect("a response");
    assert!(got.status().is_client_error(), "{got:?}");
    assert_eq!(panicked(&envoy, "config_http_callout_done").await, 1);
}
