//! What becomes of requests that wait for the store when that for which they wait goes away.

use std::sync::Arc;

use kit::bootstrap::{Bootstrap, publish};
use kit::client::Ask;
use kit::envoy::Envoy;
use kit::link::Mode;
use kit::setup::SharedSetup;
use kit::wait::{until, within};
use serde_json::json;
use tokio::task::JoinHandle;

use super::{call, open, restless, setup};
use crate::configuration::{by_file, listener};
use crate::vm::{deadly_module, send_trailers};

/// The example with a store that may take all the time it wants.
fn patient(setup: &SharedSetup) -> Bootstrap {
    setup.bootstrap().unwrap().plugin(|plugin| plugin["store"]["timeout"] = json!("1m"))
}

/// Requests on both workers that wait for the store: to look a session up, and to bind one.
async fn waiting(setup: &SharedSetup, envoy: &Arc<Envoy>, id: &str) -> Vec<JoinHandle<u16>> {
    const EACH: u64 = 15;
    setup.link.set(Mode::Held);
    let asks = (0..EACH).flat_map(|_| [Ask::tool("count").session(id), Ask::initialize()]);
    let waiting = asks.map(|ask| {
        let envoy = envoy.clone();
        tokio::spawn(async move {
            let got = ask.send(&restless(), &envoy.url("")).await.expect("a response");
            got.status().as_u16()
        })
    });
    let waiting = waiting.collect();
    until("all requests to wait", || async {
        let asked = envoy.stats("http.mcp.downstream_rq_active").await.ok()?;
        let answered = envoy.stats("cluster.pods.upstream_rq_2xx").await.ok()?;
        let answered = answered.get("cluster.pods.upstream_rq_2xx").copied();
        (asked["http.mcp.downstream_rq_active"] == 2 * EACH && answered == Some(EACH)).then_some(())
    })
    .await;
    waiting
}

/// The VM that would answer them is gone, so it is Envoy that does.
#[tokio::test(flavor = "multi_thread")]
async fn requests_that_wait_in_a_vm_that_dies_are_answered_after_the_stream_idle_timeout() {
    vm_dies(|mut example| {
        example.connection_manager()["stream_idle_timeout"] = json!("15s");
        example
    })
    .await;
}

async fn vm_dies(change: impl FnOnce(Bootstrap) -> Bootstrap) {
    let setup = setup().await;
    let id = open(&Envoy::start(&patient(&setup)).await.unwrap()).await;
    let (_directory, module) = deadly_module();
    let example = change(patient(&setup).with_module(&module));
    let envoy = Arc::new(Envoy::start(&example).await.unwrap());
    let waiting = waiting(&setup, &envoy, &id).await;
    // Each goes to one of two workers, and ends the VM there.
    until("all requests to be answered", || async {
        // The pod refuses that request with 406, and may do so before the trailers are read.
        let status = send_trailers(&envoy.url("/mcp")).await.unwrap().as_u16();
        assert!([503, 406].contains(&status), "{status}");
        waiting.iter().all(JoinHandle::is_finished).then_some(())
    })
    .await;
    for request in waiting {
        let status = request.await.unwrap();
        assert!([503, 504].contains(&status), "{status}");
    }
    setup.link.set(Mode::Open);
    goes_on(&envoy, &id).await;
}

/// Asserts that the session and new ones are served.
async fn goes_on(envoy: &Envoy, id: &str) {
    until("the session to be served by every worker", || async {
        for _ in 0..20 {
            let ask = Ask::tool("count").session(id);
            match ask.send(&restless(), &envoy.url("")).await.unwrap().status().as_u16() {
                200 => {}
                503 => return None,
                status => panic!("{status}"),
            }
        }
        Some(())
    })
    .await;
    let fresh = open(envoy).await;
    assert_eq!(call(envoy, &fresh).await, 200);
    assert_eq!(envoy.counter("unknown").await, 0);
}

/// What waits is served by the configuration that it came to.
async fn a_reload(change: impl FnOnce(Bootstrap) -> Bootstrap) {
    let setup = setup().await;
    let id = open(&Envoy::start(&patient(&setup)).await.unwrap()).await;
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("listeners.json");
    let example = patient(&setup);
    publish(&[listener(&example)], &file);
    let envoy = Arc::new(Envoy::start(&by_file(example.clone(), &file)).await.unwrap());
    let waiting = waiting(&setup, &envoy, &id).await;
    publish(&[listener(&change(example))], &file);
    until("the new configuration", || async {
        let stats = envoy.stats("listener_manager").await.ok()?;
        let updated = stats["listener_manager.lds.update_success"] == 2;
        (updated && stats["listener_manager.total_listeners_warming"] == 0).then_some(())
    })
    .await;
    setup.link.set(Mode::Open);
    for request in waiting {
        assert_eq!(within("a response", request).await.unwrap(), 200);
    }
    goes_on(&envoy, &id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_wait_while_the_configuration_changes_are_served() {
    a_reload(|example| example.plugin(|plugin| plugin["session"] = json!({"max_age": "1h"}))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_wait_while_the_module_is_replaced_are_served() {
    let (_directory, module) = deadly_module();
    a_reload(|example| example.with_module(&module)).await;
}
