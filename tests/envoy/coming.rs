//! Pods that come and go: new sessions follow them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::time::Instant;

use kit::bootstrap::Bootstrap;
use kit::client::Ask;
use kit::dns::pod_ip;
use kit::pods::App;
use kit::setup::Setup;
use kit::wait::until;
use serde_json::json;

const EXAMPLES: [&str; 2] = ["envoy.yaml", "dynamic-host.yaml"];

async fn of(example: &str, replicas: u32, eject: &str) -> Setup {
    let change = |example: Bootstrap| {
        example.plugin(|plugin| {
            plugin["workload"]["replicas"] = json!(replicas);
            plugin["placement"] = json!({"eject": eject});
        })
    };
    Setup::start(example, App::Stateful, change).await.expect("the set-up starts")
}

/// Opens sessions one after the other: how many each pod got, and how often none opened.
async fn open(setup: &Setup, count: usize) -> (BTreeMap<usize, usize>, usize) {
    let (http, mut pods, mut failed) = (reqwest::Client::new(), BTreeMap::new(), 0);
    for _ in 0..count {
        setup.pods.take_seen();
        let got = Ask::initialize().send(&http, &setup.envoy.url("")).await.expect("a response");
        match got.status().as_u16() {
            200 => {
                let seen = setup.pods.take_seen();
                let it = seen.into_iter().find(|(_, seen)| seen.method == http::Method::POST);
                *pods.entry(it.expect("a pod").0).or_default() += 1;
            }
            status => {
                assert_eq!(status, 503, "a client that opens is never told 4xx");
                failed += 1;
            }
        }
    }
    (pods, failed)
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_are_an_upper_bound_and_pods_that_are_added_get_sessions() {
    for example in EXAMPLES {
        // That is for pods that refuse connections. These have no name yet.
        let mut setup = of(example, 10, "5m").await;
        let (pods, failed) = open(&setup, 60).await;
        // One for each worker thread of Envoy that tries a pod before it has heard of the other's try.
        assert!(failed <= 2, "{example}: {failed} of 60 failed");
        assert!(pods.keys().all(|pod| *pod < 3), "{example}: {pods:?}");
        sessions_on(example, &setup, &[0, 1, 2]).await;

        for ordinal in 3..6 {
            setup.pods.add(pod_ip(ordinal).into()).expect("a pod more");
        }
        let ips: Vec<_> = (0..6).map(|ordinal| Some(pod_ip(ordinal))).collect();
        setup.dns.set(&ips, &[0, 1, 2, 3, 4, 5]).await.expect("names");
        sessions_on(example, &setup, &[0, 1, 2, 3, 4, 5]).await;
    }
}

/// Opens sessions until each of these pods has got some, and none fails.
async fn sessions_on(example: &str, setup: &Setup, wanted: &[usize]) {
    let (start, got) = (Instant::now(), Mutex::new(BTreeSet::new()));
    until("a session on each pod", || async {
        let (pods, failed) = open(setup, 5).await;
        assert_eq!(failed, 0, "{example}");
        got.lock().unwrap().extend(pods.into_keys());
        got.lock().unwrap().iter().eq(wanted).then_some(())
    })
    .await;
    println!("{example}: sessions on {wanted:?} after {:?}", start.elapsed());
}

/// Each pod in turn, once on the same address and once on another.
#[tokio::test(flavor = "multi_thread")]
async fn a_rolling_restart_costs_one_initialize_for_each_pod_at_most() {
    for (example, moves) in [("envoy.yaml", false), ("dynamic-host.yaml", true)] {
        let mut setup = of(example, 3, "1s").await;
        assert_eq!(open(&setup, 20).await.1, 0, "{example}");
        let mut ips = [0, 1, 2].map(pod_ip);
        for ordinal in 0..3 {
            setup.pods.stop(ordinal).await;
            let (pods, failed) = open(&setup, 30).await;
            assert!(failed <= 1, "{example}: {failed} failed without pod {ordinal}");
            assert!(!pods.contains_key(&ordinal), "{example}: {pods:?}");
            if moves {
                ips[ordinal] = pod_ip(ordinal + 3);
            }
            setup.pods.start_again_at(ordinal, ips[ordinal]).expect("the pod comes back");
            setup.dns.set(&ips.map(Some), &[0, 1, 2]).await.expect("names");
            sessions_on(example, &setup, &[0, 1, 2]).await;
        }
    }
}
