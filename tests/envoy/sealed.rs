//! Pins that lie in session ids: nothing is stored anywhere.

use std::collections::HashSet;
use std::sync::Arc;

use kit::bootstrap::Bootstrap;
use kit::client::{Ask, Session};
use kit::dns::{Dns, any_port, pod_ip};
use kit::envoy::Envoy;
use kit::link::Balancer;
use kit::pods::{App, Pods};
use kit::sealed::{KEY, KEYS_ENV, NEW_KEY, sealed_by_env};
use kit::setup::on_free_ports;
use kit::wait::within;
use tokio::sync::Barrier;

async fn pods() -> (Pods, Dns, Bootstrap) {
    let pods = Pods::start(3, None, App::Stateful).expect("pods");
    let dns = Dns::start(any_port(), &[0, 1, 2].map(pod_ip)).await.expect("a DNS server");
    let example = sealed_by_env(on_free_ports("envoy.yaml", &pods, &dns).expect("an example"));
    (pods, dns, example)
}

/// A client whose every request is a connection of its own.
fn restless() -> reqwest::Client {
    reqwest::Client::builder().pool_max_idle_per_host(0).build().expect("a client")
}

/// 60 sessions of 20 calls; each request goes to the other Envoy than the one before it, and each Envoy is
/// killed once in between.
#[tokio::test(flavor = "multi_thread")]
async fn envoys_that_share_nothing_but_keys_serve_each_others_sessions_and_outlive_none() {
    const SESSIONS: usize = 60;
    const CALLS: u32 = 20;
    let (_pods, _dns, example) = pods().await;
    let start = async || Envoy::start(&example).await.expect("Envoy starts");
    let mut envoys = [start().await, start().await];
    let balancer = Balancer::over(envoys.iter().map(|envoy| envoy.address).collect());
    let balancer = balancer.await.expect("a balancer");
    let url = format!("http://{}/mcp", balancer.address);
    let pause = Arc::new(Barrier::new(SESSIONS + 1));
    let running: Vec<_> = (0..SESSIONS)
        .map(|_| {
            let (url, pause) = (url.clone(), pause.clone());
            tokio::spawn(async move {
                let session = Session::open(restless(), &url).await.expect("a session opens");
                for wanted in 1..=CALLS {
                    if wanted == 7 || wanted == 14 {
                        within("all others", pause.wait()).await;
                        within("all others", pause.wait()).await;
                    }
                    assert_eq!(session.count().await.expect("no call is lost"), wanted);
                }
                session.pod().await.expect("no call is lost")
            })
        })
        .collect();
    for envoy in &mut envoys {
        within("all others", pause.wait()).await;
        let (old, fresh) = (envoy.address, start().await);
        balancer.replace(old, fresh.address);
        *envoy = fresh;
        within("all others", pause.wait()).await;
    }
    let mut pods = HashSet::new();
    for session in running {
        pods.insert(session.await.expect("the session was served"));
    }
    assert_eq!(pods.len(), 3);
    for envoy in &envoys {
        assert_eq!(envoy.counter("unknown").await + envoy.counter("lost").await, 0);
    }
}

/// Added behind the old one everywhere, then in front of it, and the old one out at last.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_replaced_without_the_loss_of_a_session() {
    let (_pods, _dns, example) = pods().await;
    let (old, new) = (format!("old:{KEY}"), format!("new:{NEW_KEY}"));
    let stages = [old.clone(), format!("{old},{new}"), format!("{new} {old}"), new];
    let mut envoys = Vec::new();
    for keys in stages {
        let envoy = Envoy::start_knowing(&example, vec![(KEYS_ENV, keys)]).await;
        envoys.push(envoy.expect("Envoy starts"));
    }
    let mut ids = Vec::new();
    for envoy in &envoys {
        let got = Ask::initialize().send(&restless(), &envoy.url("")).await.expect("a response");
        ids.push(got.headers()["mcp-session-id"].to_str().expect("an id").to_owned());
    }
    // By whom each was opened, and by whom it is served, at two stages that are next to each other.
    for (opened, served, wanted) in [
        (0, 1, 200),
        (1, 0, 200),
        (1, 2, 200),
        (2, 1, 200),
        (2, 3, 200),
        (3, 2, 200),
        (0, 3, 404),
        (1, 3, 404),
    ] {
        let ask = Ask::get().session(&ids[opened]);
        let got = ask.send(&restless(), &envoys[served].url("")).await.expect("a response");
        assert_eq!(got.status(), wanted, "opened at stage {opened}, served at stage {served}");
    }
}
