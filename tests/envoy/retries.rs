//! A request is sent again only if no pod can have seen it, and only to the pod it was for.

use std::net::{Ipv4Addr, SocketAddr};

use kit::bootstrap::Bootstrap;
use kit::client::Ask;
use kit::dns::pod_ip;
use kit::pods::App;
use kit::setup::Setup;
use kit::wait::until;
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpSocket, TcpStream};

const EXAMPLES: [&str; 2] = ["envoy.yaml", "dynamic-host.yaml"];

/// The only pod that new sessions go to.
const LAST: usize = 2;

fn last_pod_only(plugin: &mut Value) {
    plugin["placement"] = json!({"drain": [0, 1]});
}

async fn start(example: &str, app: App) -> Setup {
    let setup = Setup::start(example, app, |example| example.plugin(last_pod_only)).await;
    setup.expect("the set-up starts")
}

/// Gives the last pod this address.
async fn publish(setup: &Setup, last: Ipv4Addr) {
    let pods = [Some(pod_ip(0)), Some(pod_ip(1)), Some(last)];
    setup.dns.set(&pods, &[0, 1]).await.expect("records");
}

async fn retries(setup: &Setup) -> u64 {
    let name = "cluster.pods.upstream_rq_retry";
    setup.envoy.stats(name).await.expect("Envoy's stats")[name]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_connection_is_tried_once_more_on_the_same_pod() {
    for example in EXAMPLES {
        let mut setup = start(example, App::Stateful).await;
        let (http, origin) = (reqwest::Client::new(), setup.envoy.url(""));
        setup.pods.stop(LAST).await;
        let got = Ask::initialize().send(&http, &origin).await.unwrap();
        assert_eq!(got.status(), 503, "{example}");
        assert_eq!(retries(&setup).await, 1, "{example}");
        assert!(setup.pods.take_seen().is_empty(), "{example}: no other pod");
        let upstream = format!("upstream={}:{}", pod_ip(LAST), setup.pods.port);
        until("the access log", || async {
            setup.envoy.access_log().contains(&upstream).then_some(())
        })
        .await;
    }
}

/// A pod that takes the request and ends before it answers.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_a_pod_has_seen_is_not_sent_again() {
    for example in EXAMPLES {
        let setup = start(example, App::Stateful).await;
        let address = Ipv4Addr::new(127, 0, 2, 8);
        let pod = TcpListener::bind((address, setup.pods.port)).await.expect("a free address");
        publish(&setup, address).await;
        let taking = tokio::spawn(async move {
            let mut taken = 0;
            loop {
                let (mut connection, _) = pod.accept().await.expect("a connection");
                taken += connection.read(&mut [0; 1]).await.expect("a request");
                if taken > 1 {
                    return;
                }
            }
        });
        let got = Ask::initialize().send(&reqwest::Client::new(), &setup.envoy.url("")).await;
        assert_eq!(got.unwrap().status(), 503, "{example}");
        assert_eq!(retries(&setup).await, 0, "{example}");
        assert!(!taking.is_finished(), "{example}: it came twice");
        assert!(setup.pods.take_seen().is_empty(), "{example}: no other pod");
        taking.abort();
    }
}

/// A pod whose node died: its address answers nothing, and then it has another.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_to_a_dead_address_arrives_at_the_one_that_the_pod_has_by_then() {
    let patient = |mut example: Bootstrap| {
        let mut pods = example.take_cluster("pods");
        // Longer than the TTL of the dead address.
        pods["connect_timeout"] = json!("15s");
        let clusters = example.0["static_resources"]["clusters"].as_array_mut();
        clusters.expect("a list of clusters").push(pods);
        example.plugin(last_pod_only)
    };
    let setup = Setup::start("envoy.yaml", App::Stateful, patient).await.unwrap();
    let dead = Ipv4Addr::new(127, 0, 2, 9);
    let _silence = silence((dead, setup.pods.port).into()).await;
    publish(&setup, dead).await;
    let (http, origin) = (reqwest::Client::new(), setup.envoy.url(""));
    let asking = tokio::spawn(async move { Ask::initialize().send(&http, &origin).await });
    until("the connection", || async {
        (setup.envoy.connections_to((dead, setup.pods.port).into()).await > 0).then_some(())
    })
    .await;
    publish(&setup, pod_ip(LAST)).await;
    assert_eq!(asking.await.unwrap().unwrap().status(), 200);
    assert_eq!(retries(&setup).await, 1);
}

/// A listener that accepts nothing more, so that further connections wait without an answer.
async fn silence(address: SocketAddr) -> impl Sized {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind(address).expect("a free address");
    let listener = socket.listen(0).expect("a listener");
    // The kernel takes one more than it is told.
    let taken = TcpStream::connect(address).await.expect("a connection");
    (listener, taken)
}
