//! Pins that lie in session ids: nothing is stored anywhere.

use kit::bootstrap::Bootstrap;
use kit::client::Ask;
use kit::dns::{Dns, any_port, pod_ip};
use kit::envoy::Envoy;
use kit::pods::{App, Pods};
use kit::sealed::{KEY, KEYS_ENV, NEW_KEY, sealed_by_env};
use kit::setup::on_free_ports;

use crate::redis::{restless, use_any_and_kill_each};

async fn pods() -> (Pods, Dns, Bootstrap) {
    let pods = Pods::start(3, None, App::Stateful).expect("pods");
    let dns = Dns::start(any_port(), &[0, 1, 2].map(pod_ip)).await.expect("a DNS server");
    let example = sealed_by_env(on_free_ports("envoy.yaml", &pods, &dns).expect("an example"));
    (pods, dns, example)
}

#[tokio::test(flavor = "multi_thread")]
async fn envoys_that_share_nothing_but_keys_serve_each_others_sessions_and_outlive_none() {
    let (_pods, _dns, example) = pods().await;
    use_any_and_kill_each(async || Envoy::start(&example).await.expect("Envoy starts")).await;
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
