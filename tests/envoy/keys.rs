//! Keys of requests without sessions, while pods come and go.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use kit::dns::pod_ip;
use kit::pods::App;
use kit::scenarios::{call, echo};
use kit::setup::Setup;
use kit::wait::until;
use podpin::identity::Claim;
use podpin::modern::{Rule, Ruling, weight};
use podpin::pods::Ordinal;
use podpin::session::Scope;
use serde_json::{Value, json};

/// A header whose keys are remembered, and one whose are not.
const USER: &str = "x-user";
const TALK: &str = "x-talk";

const USERS: usize = 60;
const TALKS: usize = 200;

async fn start() -> Setup {
    Setup::start("envoy.yaml", App::Script(echo), |example| {
        example.plugin(|plugin| {
            plugin["workload"]["replicas"] = json!(5);
            plugin["placement"] = json!({"eject": "1s"});
            plugin["modern"]["affinity"] = json!([
                {"key": {"header": USER}, "remember": true}, {"key": {"header": TALK}},
            ]);
        })
    })
    .await
    .expect("the set-up starts")
}

/// The pod that answers a call with a key; `None` if Envoy answers in its place.
async fn pod_of(
    http: &reqwest::Client,
    url: &str,
    header: &'static str,
    key: usize,
) -> Option<u32> {
    let ask = call("a").header(header, key.to_string());
    let sent: Value = serde_json::from_slice(&ask.body).expect("JSON");
    let got = ask.send(http, url).await.expect("a response");
    if got.status() == 503 {
        println!("{header} {key}: {}", got.text().await.unwrap_or_default());
        return None;
    }
    let answer: Value = got.json().await.expect("a pod's answer");
    assert_eq!(answer["id"], sent["id"], "it is the server's, to the request's own id");
    let host = answer["result"]["host"].as_str().expect("a name");
    let ordinal = host.strip_prefix("myserver-").and_then(|rest| rest.split('.').next());
    Some(ordinal.expect("a pod").parse().expect("an ordinal"))
}

async fn pods_of(
    http: &reqwest::Client,
    url: &str,
    header: &'static str,
    keys: usize,
) -> Vec<Option<u32>> {
    let mut pods = Vec::new();
    for key in 0..keys {
        pods.push(pod_of(http, url, header, key).await);
    }
    pods
}

/// The same as anybody can compute it, while these pods are there.
fn computed(among: &[u32]) -> Vec<Option<u32>> {
    let scope = Scope::new("default/myserver");
    let claims = vec![Claim::Header(TALK.to_owned())];
    let rules = [Rule::Key { claims, is_remembered: false }];
    let pods = (0..TALKS).map(|key| {
        let headers = vec![(TALK, key.to_string())];
        let ruling = Ruling::by(&rules, &scope, None, &headers, |_| None).expect("a key");
        let key = ruling.keyed.expect("a key").key;
        among.iter().copied().max_by_key(|pod| weight(&key, Ordinal(*pod)))
    });
    pods.collect()
}

/// Waits until keys that are not remembered go where they should while these pods are there.
async fn settled(http: &reqwest::Client, url: &str, among: &[u32]) {
    let wanted = computed(among);
    until("keys where they belong", || async {
        (pods_of(http, url, TALK, TALKS).await == wanted).then_some(())
    })
    .await;
}

fn moved(before: &[Option<u32>], after: &[Option<u32>]) -> usize {
    before.iter().zip(after).filter(|(before, after)| before != after).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn from_3_to_5_to_2_pods_remembered_keys_stay_and_others_move_as_computed() {
    let mut setup = start().await;
    let (http, url) = (reqwest::Client::new(), setup.envoy.url(""));
    settled(&http, &url, &[0, 1, 2]).await;
    // It takes a while until it is certain which pods there are.
    until("all users to be kept", || async {
        pods_of(&http, &url, USER, USERS).await;
        (setup.envoy.counter("kept").await == USERS as u64).then_some(())
    })
    .await;
    let users = pods_of(&http, &url, USER, USERS).await;
    let known: BTreeSet<_> = users.iter().flatten().copied().collect();
    assert_eq!(known, [0, 1, 2].into());

    // Users of pods that stay to the end call without a pause.
    let (stop, calls) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
    let running: Vec<_> = (0..4)
        .map(|lane| {
            let (http, url, users) = (http.clone(), url.clone(), users.clone());
            let (stop, calls) = (stop.clone(), calls.clone());
            tokio::spawn(async move {
                let staying = (lane..USERS).step_by(4).filter(|user| users[*user] != Some(2));
                for user in staying.collect::<Vec<_>>().into_iter().cycle() {
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                    assert_eq!(pod_of(&http, &url, USER, user).await, users[user], "user {user}");
                    calls.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();

    for ordinal in 3..5 {
        setup.pods.add(pod_ip(ordinal).into()).expect("a pod more");
    }
    let ips: Vec<_> = (0..5).map(|ordinal| Some(pod_ip(ordinal))).collect();
    setup.dns.set(&ips, &[0, 1, 2, 3, 4]).await.expect("names");
    settled(&http, &url, &[0, 1, 2, 3, 4]).await;
    assert_eq!(pods_of(&http, &url, USER, USERS).await, users, "pods that come move no user");
    let (of_3, of_4, of_5) =
        (computed(&[0, 1, 2]), computed(&[0, 1, 2, 3]), computed(&[0, 1, 2, 3, 4]));
    let (to_4, to_5) = (moved(&of_3, &of_4), moved(&of_3, &of_5));
    println!("of {TALKS} keys {to_4} move from 3 to 4 pods, {to_5} from 3 to 5");
    assert!((40..=60).contains(&to_4) && (65..=95).contains(&to_5));

    for ordinal in 2..5 {
        setup.pods.stop(ordinal).await;
    }
    settled(&http, &url, &[0, 1]).await;
    let after = pods_of(&http, &url, USER, USERS).await;
    for (user, (before, after)) in users.iter().zip(&after).enumerate() {
        assert!(after.is_some_and(|pod| pod < 2), "user {user}");
        assert!(*before == Some(2) || before == after, "user {user}");
    }
    assert_eq!(pods_of(&http, &url, USER, USERS).await, after, "and stays there");
    stop.store(true, Ordering::Relaxed);
    for lane in running {
        lane.await.expect("no user of a pod that stays fails or moves");
    }
    let calls = calls.load(Ordering::Relaxed);
    println!("{calls} calls of users whose pods stay, meanwhile");
    assert!(calls > 100);
}
