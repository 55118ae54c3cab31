//! Envoy's own hashing by a header, without Podpin: what `consistentHash` of Istio and of Envoy Gateway sets up.

use std::collections::BTreeSet;

use anyhow::Result;
use kit::bootstrap::Bootstrap;
use kit::dns::pod_ip;
use kit::interop::{Newest, Program, Server, Transport};
use kit::mode::Mode;
use kit::pods::App;
use kit::scenarios::{call, echo};
use kit::setup::Setup;
use kit::wait::until;
use serde_json::json;

use crate::tasks::{Client, seen_to};
use crate::{Cluster, modern};

const POLICIES: [&str; 2] = ["RING_HASH", "MAGLEV"];
const USER: &str = "x-user";
const KEYS: usize = 1000;

/// Has Envoy hash by this header, and nothing else.
fn hashed(example: Bootstrap, policy: &str, header: &str) -> Bootstrap {
    let mut example = example.without_podpin().balanced_by(policy);
    let routes = &mut example.connection_manager()["route_config"]["virtual_hosts"][0]["routes"];
    for route in routes.as_array_mut().expect("routes") {
        let by = json!([{"header": {"header_name": header}, "terminal": true}]);
        route["route"]["hash_policy"] = by;
    }
    example
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hash_finds_tasks_by_chance_and_serves_calls_in_two_rounds() -> Result<()> {
    for policy in POLICIES {
        let by_task = |example| hashed(example, policy, "mcp-name");
        let (server, transport) = (Server::RmcpTasks, Transport::StreamableHttp);
        let cluster = Cluster::start(Mode::Authority, server, transport, by_task).await?;
        let client = Client::of(&cluster.envoy).await?;
        let found = seen_to(&client, &client, 100).await?;

        let cluster = modern::start(Server::Python2, |example| hashed(example, policy, USER)).await;
        let mut clients = Program::newest(Newest::Python2)?;
        let got = clients.order(&json!({
            "op": "settle", "url": cluster.envoy.url("/mcp"), "header": USER,
            "users": 60, "calls": 3,
        }))?;
        println!("{policy}: {found} of 100 tasks found; 180 calls in two rounds: {got}");
        assert!((10..60).contains(&found), "{policy}: {found}");
        assert_eq!(got["failed"], 0, "{policy}: {got}");
    }
    Ok(())
}

/// The pod of each key.
async fn pods_of(setup: &Setup, http: &reqwest::Client) -> Vec<usize> {
    let mut pods = Vec::new();
    for key in 0..KEYS {
        setup.pods.take_seen();
        let ask = call("a").header(USER, key.to_string());
        let got = ask.send(http, &setup.envoy.url("")).await.expect("a response");
        assert_eq!(got.status(), 200);
        pods.push(setup.pods.take_seen()[0].0);
    }
    pods
}

/// The same once so many pods have keys, and these stay there.
async fn settled(setup: &Setup, http: &reqwest::Client, pods: usize) -> Vec<usize> {
    until("keys on every pod", || async {
        let found = pods_of(setup, http).await;
        let is_all = BTreeSet::from_iter(found.clone()) == (0..pods).collect();
        (is_all && pods_of(setup, http).await == found).then_some(found)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hash_moves_a_quarter_of_the_keys_and_more_when_a_pod_comes_or_goes() {
    let http = reqwest::Client::new();
    for policy in POLICIES {
        let by_user = |example| hashed(example, policy, USER);
        let setup = Setup::start("envoy.yaml", App::Script(echo), by_user).await;
        let mut setup = setup.expect("the set-up starts");
        setup.pods.add(pod_ip(3).into()).expect("a pod more");
        let ips = (0..4).map(|ordinal| Some(pod_ip(ordinal))).collect::<Vec<_>>();
        let of_3 = settled(&setup, &http, 3).await;
        setup.dns.set(&ips, &[0, 1, 2, 3]).await.expect("names");
        let of_4 = settled(&setup, &http, 4).await;
        setup.dns.set(&ips, &[0, 1, 2]).await.expect("names");
        let again = settled(&setup, &http, 3).await;
        let moved = |before: &[usize], after: &[usize]| {
            before.iter().zip(after).filter(|(before, after)| before != after).count()
        };
        let (comes, goes) = (moved(&of_3, &of_4), moved(&of_4, &again));
        println!("{policy}: of {KEYS} keys {comes} move from 3 to 4 pods, {goes} from 4 to 3");
        assert!((150..=450).contains(&comes) && comes == goes, "{policy}: {comes}, {goes}");
        assert_eq!(again, of_3, "{policy}");
    }
}
