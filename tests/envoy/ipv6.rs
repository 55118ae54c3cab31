//! Pods with IPv6 addresses.

use std::collections::BTreeSet;
use std::net::Ipv6Addr;

use kit::bootstrap::Bootstrap;
use kit::client::Ask;
use kit::dns::{Dns, any_port, pod_ip};
use kit::envoy::Envoy;
use kit::mini_redis::Front;
use kit::pods::{App, Pods};
use kit::setup::{Setup, SharedSetup, on_free_ports};
use kit::wait::until;
use serde_json::{Value, json};

/// The pod on [::1]; those before it are on IPv4 addresses.
const PLACE: usize = 2;

async fn pods() -> (Pods, Dns) {
    let pods = until("a port that is free for all", || async {
        let mut pods = Pods::start(PLACE, None, App::Stateful).ok()?;
        pods.add(Ipv6Addr::LOCALHOST.into()).is_ok().then_some(pods)
    });
    let ips: Vec<_> = (0..PLACE).map(pod_ip).collect();
    let dns = Dns::start(any_port(), &ips).await.unwrap();
    dns.add_ipv6(PLACE, Ipv6Addr::LOCALHOST).await.unwrap();
    (pods.await, dns)
}

/// The example as its comments say, with new sessions for none of `drained`.
fn changed(example: Bootstrap, family: &str, drained: Value) -> Bootstrap {
    let text = example.0.to_string().replace("V4_ONLY", family);
    let example = Bootstrap(serde_json::from_str(&text).unwrap());
    example.plugin(|plugin| plugin["placement"] = json!({"drain": drained}))
}

/// Opens a session through `opener` and uses it through `user`; the ordinal of its pod.
async fn session(opener: &Envoy, user: &Envoy, pods: &Pods) -> usize {
    pods.take_seen();
    let http = reqwest::Client::new();
    let got = Ask::initialize().send(&http, &opener.url("")).await.unwrap();
    assert_eq!(got.status(), 200);
    let id = got.headers()["mcp-session-id"].clone();
    got.bytes().await.unwrap();
    for _ in 0..4 {
        let got = Ask::tool("count").session(&id).send(&http, &user.url("")).await.unwrap();
        assert_eq!(got.status(), 200);
        got.bytes().await.unwrap();
    }
    let seen = pods.take_seen();
    assert_eq!(seen.len(), 5);
    let pod = seen[0].0;
    assert!(seen.iter().all(|(other, _)| *other == pod));
    pod
}

/// Where pods have addresses of one kind each, and where all have IPv6 addresses only.
fn families() -> [(&'static str, Value, BTreeSet<usize>); 2] {
    [("ALL", json!([]), [0, 1, PLACE].into()), ("V6_ONLY", json!([0, 1]), [PLACE].into())]
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_of_pods_with_ipv6_addresses_are_bound_and_steered() {
    for example in ["envoy.yaml", "dynamic-host.yaml"] {
        for (family, drained, wanted) in families() {
            let (pods, dns) = pods().await;
            let bootstrap = on_free_ports(example, &pods, &dns).unwrap();
            let envoy = Envoy::start(&changed(bootstrap, family, drained)).await.unwrap();
            let setup = Setup { envoy, dns, pods };
            let mut used = BTreeSet::new();
            while used != wanted {
                let pod = session(&setup.envoy, &setup.envoy, &setup.pods).await;
                assert!(wanted.contains(&pod), "{example}, {family}: {pod}");
                used.insert(pod);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_store_keeps_the_ipv6_address_of_a_pod() {
    let setup = SharedSetup::start(Front::Webdis, App::Stateful).await.unwrap();
    let (pods, dns) = pods().await;
    let setup = SharedSetup { pods, dns, ..setup };
    let example = changed(setup.bootstrap().unwrap(), "V6_ONLY", json!([0, 1]));
    let (opener, user) =
        (Envoy::start(&example).await.unwrap(), Envoy::start(&example).await.unwrap());
    assert_eq!(session(&opener, &user, &setup.pods).await, PLACE);
    let [_, value] = &super::redis::dump(&setup).await[..] else { panic!("one key") };
    let redis::Value::SimpleString(value) = value else { panic!("{value:?}") };
    let value: Value = serde_json::from_str(value).unwrap();
    assert_eq!(value["address"], format!("[::1]:{}", setup.pods.port));
    assert_eq!((user.counter("store_asked").await, user.counter("steered").await), (1, 4));
}
