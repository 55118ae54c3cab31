//! The module is updated, and rolled back, under load: Podpin 0.1.0 itself beside the present one.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use http::HeaderValue;
use kit::bootstrap::{Bootstrap, publish};
use kit::client::Ask;
use kit::dns::{Dns, any_port, pod_ip};
use kit::envoy::Envoy;
use kit::pods::{App, Pods};
use kit::root;
use kit::setup::on_free_ports;
use kit::wait::until;
use serde_json::{Value, json};

use crate::configuration::{by_file, listener};

const LANES: usize = 4;
const OLD: &str = "../tests/fixtures/envoy-0.1.0.yaml";
const NEW: &str = "envoy.yaml";

/// What the clients share.
#[derive(Default)]
struct Load {
    /// Which listener was published last.
    published: AtomicUsize,
    /// The sessions that are open, each with the listener that opened it.
    sessions: Mutex<Vec<(HeaderValue, usize)>>,
    /// By which listener a session was opened, and by which it was used.
    pairs: Mutex<BTreeSet<(usize, usize)>>,
    requests: AtomicUsize,
    is_over: AtomicBool,
}

/// An example with the module that it is for. It says in each response which listener it is.
fn generation(example: Bootstrap, number: usize) -> Bootstrap {
    let mut example = match number % 2 {
        0 => example.with_module(&root().join("tests/fixtures/podpin-0.1.0.wasm")),
        _ => example,
    };
    example.connection_manager()["route_config"]["response_headers_to_add"] =
        json!([{"header": {"key": "x-listener", "value": number.to_string()}}]);
    example
}

/// Envoy wants one of a name to be the same wherever it is used, in the cluster too.
fn dns_cache(example: &mut Bootstrap) -> &mut Value {
    let filter = example
        .filters()
        .iter_mut()
        .find(|filter| filter["name"] == "envoy.filters.http.dynamic_forward_proxy");
    &mut filter.expect("the dynamic forward proxy")["typed_config"]["dns_cache_config"]
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_from_podpin_0_1_0_and_a_rollback_lose_no_session_under_load() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("listeners.json");
    let pods = Pods::start(3, None, App::Stateful).unwrap();
    let dns = Dns::start(any_port(), &[0, 1, 2].map(pod_ip)).await.unwrap();
    let cache = dns_cache(&mut on_free_ports(NEW, &pods, &dns).unwrap()).clone();
    let mut generations = [OLD, NEW, OLD, NEW].into_iter().enumerate().map(|(number, example)| {
        let mut example = on_free_ports(example, &pods, &dns).expect("an example");
        *dns_cache(&mut example) = cache.clone();
        listener(&generation(example, number))
    });
    publish(&[generations.next().unwrap()], &file);
    let bootstrap = by_file(on_free_ports(NEW, &pods, &dns).unwrap(), &file);
    let envoy = Envoy::start(&bootstrap).await.expect("Envoy starts");

    let load = Arc::new(Load::default());
    let lanes: Vec<_> =
        (0..LANES).map(|lane| tokio::spawn(run(lane, envoy.url(""), load.clone()))).collect();
    // The newest listener uses what each other opened. Those before it go on with the connections
    // that they have, for as long as Envoy leaves them these: that differs between its releases.
    let all_mixed = async |listeners: usize| {
        let wanted: BTreeSet<_> =
            (0..listeners).map(|opened| (opened, listeners.saturating_sub(1))).collect();
        let before = load.requests.load(Ordering::SeqCst);
        until(&format!("sessions of {listeners} listeners"), || async {
            let ended = lanes.iter().any(tokio::task::JoinHandle::is_finished);
            let served = load.requests.load(Ordering::SeqCst) >= before + 400;
            let mixed = wanted.is_subset(&load.pairs.lock().unwrap());
            (ended || served && mixed).then_some(())
        })
        .await;
    };
    all_mixed(1).await;
    for (listener, number) in generations.zip(1..) {
        publish(&[listener], &file);
        until("the listener", || async {
            let stats = envoy.stats("listener_manager").await.ok()?;
            let updated = stats["listener_manager.lds.update_success"] == number as u64 + 1;
            (updated && stats["listener_manager.total_listeners_warming"] == 0).then_some(())
        })
        .await;
        load.published.store(number, Ordering::SeqCst);
        all_mixed(number + 1).await;
    }
    load.is_over.store(true, Ordering::SeqCst);
    for lane in lanes {
        lane.await.expect("no request is lost");
    }
    for lost in ["unknown", "expired", "lost", "evicted", "store_failed", "id_taken"] {
        assert_eq!(envoy.counter(lost).await, 0, "{lost}");
    }
}

/// Opens, uses and ends sessions over a connection that stays with its listener for each generation,
/// and over new ones.
async fn run(lane: usize, origin: String, load: Arc<Load>) {
    let fresh = reqwest::Client::builder().pool_max_idle_per_host(0).build().unwrap();
    let mut clients = vec![fresh];
    for turn in 0usize.. {
        if load.is_over.load(Ordering::SeqCst) {
            return;
        }
        let published = load.published.load(Ordering::SeqCst);
        if clients.len() < published + 2 {
            // This one's connection stays, whatever is published later.
            clients.push(reqwest::Client::new());
        }
        let ask = async |ask: Ask, client: usize| {
            let http = &clients[(client + turn / 5) % clients.len()];
            let got = ask.send(http, &origin).await.expect("a response");
            let (status, headers) = (got.status(), got.headers().clone());
            got.bytes().await.expect("all of the response");
            assert!(status.is_success(), "{status} in turn {turn} of {lane}");
            let listener: usize = headers["x-listener"].to_str().unwrap().parse().unwrap();
            load.requests.fetch_add(1, Ordering::SeqCst);
            (listener, headers)
        };
        if turn % 5 < 2 {
            let (opened, headers) = ask(Ask::initialize(), turn).await;
            let id = headers["mcp-session-id"].clone();
            if turn % 5 == 0 {
                load.sessions.lock().unwrap().push((id, opened));
                continue;
            }
            // By three listeners, if there are so many.
            ask(Ask::tool("count").session(&id), turn + 1).await;
            ask(Ask::delete().session(&id), turn + 2).await;
        } else {
            let session = {
                let sessions = load.sessions.lock().unwrap();
                sessions.get((turn * 7 + lane) % sessions.len().max(1)).cloned()
            };
            let Some((id, opened)) = session else { continue };
            let (used, _) = ask(Ask::tool("count").session(&id), turn).await;
            load.pairs.lock().unwrap().insert((opened, used));
        }
    }
}
