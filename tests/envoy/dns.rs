//! Pods whose names come late, go or change their address; names that are not answered.

use std::net::Ipv4Addr;
use std::time::Instant;

use kit::client::Ask;
use kit::dns::{SERVICE, pod_ip, pod_name};
use kit::mini_redis::Front;
use kit::pods::App;
use kit::setup::{Setup, SharedSetup};
use kit::wait::until;
use serde_json::{Value, json};

/// Where the last pod is.
const LAST: usize = 2;
const MOVED: Ipv4Addr = Ipv4Addr::new(127, 0, 2, 3);

const EXAMPLES: [&str; 2] = ["envoy.yaml", "dynamic-host.yaml"];

/// New sessions go to the last pod only.
async fn last_pod_only(example: &str) -> Setup {
    let drained = |plugin: &mut Value| plugin["placement"] = json!({"drain": [0, 1]});
    let setup = Setup::start(example, App::Stateful, |example| example.plugin(drained)).await;
    setup.expect("the set-up starts")
}

/// The pods, the last of them at this address.
async fn publish(setup: &Setup, last: Option<Ipv4Addr>) {
    let pods = [Some(pod_ip(0)), Some(pod_ip(1)), last];
    setup.dns.set(&pods, &[0, 1]).await.expect("records");
}

async fn open(setup: &Setup) -> u16 {
    let got = Ask::initialize().send(&reqwest::Client::new(), &setup.envoy.url("")).await;
    got.expect("a response").status().as_u16()
}

/// Waits until the last pod's name is asked for again. What measures how long that may take is
/// another name, which Envoy asks for every five seconds.
async fn asked_again(setup: &Setup) {
    let (name, clock) = (pod_name(LAST), setup.dns.asked(SERVICE));
    let asked = setup.dns.asked(&name);
    until("a query", || async {
        let again = setup.dns.asked(&name) > asked;
        assert!(again || setup.dns.asked(SERVICE) < clock + 3, "{name} is not asked for again");
        again.then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_whose_name_comes_late_gets_new_sessions() {
    for example in EXAMPLES {
        let setup = last_pod_only(example).await;
        publish(&setup, None).await;
        assert_eq!(open(&setup).await, 503);
        assert!(setup.dns.asked(&pod_name(LAST)) > 0);
        asked_again(&setup).await;

        publish(&setup, Some(pod_ip(LAST))).await;
        let start = Instant::now();
        asked_again(&setup).await;
        until("a session", || async { (open(&setup).await == 200).then_some(()) }).await;
        println!("{example}: a name that comes late was served after {:?}", start.elapsed());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_of_dns_costs_no_session() {
    for example in EXAMPLES {
        let setup = last_pod_only(example).await;
        let name = pod_name(LAST);
        setup.dns.ignore(&name, true);
        let start = Instant::now();
        let opening = async {
            until("a query", || async { (setup.dns.asked(&name) > 0).then_some(()) }).await;
            setup.dns.ignore(&name, false);
        };
        let (status, ()) = tokio::join!(open(&setup), opening);
        println!("{example}: with a lost answer a session took {:?}", start.elapsed());
        assert_eq!(status, 200, "{example}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_that_moves_gets_its_requests() {
    for example in EXAMPLES {
        let mut setup = last_pod_only(example).await;
        assert_eq!(open(&setup).await, 200);
        setup.pods.stop(LAST).await;
        publish(&setup, None).await;
        asked_again(&setup).await;

        setup.pods.start_again_at(LAST, MOVED).expect("the pod comes back");
        publish(&setup, Some(MOVED)).await;
        let start = Instant::now();
        asked_again(&setup).await;
        until("a session", || async { (open(&setup).await == 200).then_some(()) }).await;
        println!("{example}: a pod that moved was served after {:?}", start.elapsed());
    }
}

/// A DNS that does not answer says nothing about the pod, but one that has no such name does.
#[tokio::test(flavor = "multi_thread")]
async fn only_a_name_that_is_gone_is_an_unreachable_pod() {
    let shared = SharedSetup::start(Front::Webdis, App::Stateful).await.unwrap();
    let (opener, other) = (shared.envoy().await.unwrap(), shared.envoy().await.unwrap());
    let http = reqwest::Client::new();
    let session = kit::discovered::open(&http, &opener.url("")).await.unwrap();
    let ordinal: usize = session.pod.rsplit('-').next().unwrap().parse().unwrap();
    let call = || async { session.count(&http, &other.url("")).await.unwrap() };

    let mut pods = [0, 1, 2].map(|ordinal| Some(pod_ip(ordinal)));
    shared.dns.ignore(&pod_name(ordinal), true);
    let answer = call().await;
    assert_eq!(answer.status, 503);
    assert_eq!(other.counter("unreachable").await, 0);

    shared.dns.ignore(&pod_name(ordinal), false);
    pods[ordinal] = None;
    shared.dns.set(&pods, &[]).await.unwrap();
    until("the name to be gone", || async { (call().await.status == 404).then_some(()) }).await;
    assert!(other.counter("unreachable").await > 0);

    pods[ordinal] = Some(pod_ip(ordinal));
    shared.dns.set(&pods, &[0, 1, 2]).await.unwrap();
    until("the session to go on", || async { (call().await.status == 200).then_some(()) }).await;
}
