//! What Prometheus gets to see, and the access log.

use kit::SCOPE;
use kit::bootstrap::Bootstrap;
use kit::client::Ask;
use kit::native::TRIP;
use kit::root;
use kit::wait::until;
use podpin::telemetry::{Gauge, Metric, version};

/// Without any tag in Envoy's bootstrap.
#[tokio::test(flavor = "multi_thread")]
async fn scope_and_ordinal_are_labels() {
    let setup = kit::setup::Setup::start("envoy.yaml", kit::pods::App::Stateful, |mut example| {
        example.0.as_object_mut().expect("an object").remove("stats_config");
        example.natively()
    });
    let setup = setup.await.expect("the set-up starts");
    let (http, origin) = (reqwest::Client::new(), setup.envoy.url(""));
    let got = Ask::initialize().send(&http, &origin).await.expect("a response");
    assert_eq!(got.status(), 200);
    let wanted = format!("podpin_sessions{{scope=\"{SCOPE}\",ordinal=\"");
    let page = until("a tick", async || {
        let page = setup.envoy.prometheus().await.ok()?;
        page.lines().any(|line| line.contains(&wanted) && line.ends_with(" 1")).then_some(page)
    })
    .await;
    let has = |line: &str| assert!(page.lines().any(|its| its == line), "{line}\nnot in\n{page}");
    let name = |name: &str| format!("envoy_dynamicmodulescustom_{name}{{scope=\"{SCOPE}\"}}");
    has(&format!("{} 1", name("podpin_bound_total")));
    has(&format!("{} {}", name(Gauge::Version.name()), version()));
    for metric in Metric::all().filter(|metric| page.contains(&metric.name())) {
        assert!(page.contains(&name(&metric.name())), "{}", metric.name());
    }
}

/// The core sets gauges at ticks only, so far.
#[tokio::test(flavor = "multi_thread")]
async fn a_gauge_that_is_set_in_an_exchange_is_told() {
    let setup = super::changed(|example| example.with_module(&root().join(TRIP))).await;
    let (http, origin) = (reqwest::Client::new(), setup.envoy.url(""));
    let ask = Ask::initialize().header("x-trip", "gauge");
    assert_eq!(ask.send(&http, &origin).await.expect("a response").status(), 200);
    let page = setup.envoy.prometheus().await.expect("a page");
    let name = Gauge::Ejected.name();
    let wanted = format!("envoy_dynamicmodulescustom_{name}{{scope=\"{SCOPE}\"}} 1");
    assert!(page.lines().any(|line| line == wanted), "{wanted}\nnot in\n{page}");
}

/// Each with a table of its own, in one process.
#[tokio::test(flavor = "multi_thread")]
async fn two_configurations_in_one_process_share_nothing_but_it() {
    let setup = super::changed(|mut example: Bootstrap| {
        let filters = example.filters();
        let place = filters.iter().position(|filter| filter["name"] == "podpin").expect("podpin");
        let mut other = filters[place].clone();
        let text = other["typed_config"]["filter_config"]["value"].as_str().expect("JSON");
        let text = text.replace("default/myserver", "another").replace("/mcp", "/another");
        other["typed_config"]["filter_config"]["value"] = text.into();
        filters.insert(place, other);
        example
    })
    .await;
    let (http, origin) = (reqwest::Client::new(), setup.envoy.url(""));
    let got = Ask::initialize().send(&http, &origin).await.expect("a response");
    let id = got.headers()["mcp-session-id"].clone();
    let asked = Ask::tool("count").session(&id);
    assert_eq!(asked.clone().send(&http, &origin).await.unwrap().status(), 200);
    assert_eq!(asked.at("/another").send(&http, &origin).await.unwrap().status(), 404);
    assert_eq!(setup.envoy.counter_of("another", "unknown").await, 1);
    assert_eq!(setup.envoy.counter("unknown").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_follows_the_level_of_envoys() {
    let setup = super::changed(|example| example).await;
    let (http, origin) = (reqwest::Client::new(), setup.envoy.url(""));
    let ask = async || {
        let got = Ask::tool("count").session("no-such-session").send(&http, &origin).await;
        assert_eq!(got.expect("a response").status(), 404);
    };
    ask().await;
    let is_told = || setup.envoy.log().contains("podpin: unknown:");
    assert!(!is_told());
    let level = format!("http://{}/logging?level=debug", setup.envoy.admin);
    http.post(level).send().await.expect("the admin page");
    until("a line of that level", async || {
        ask().await;
        is_told().then_some(())
    })
    .await;
}
