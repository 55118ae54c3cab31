//! Pins in a real Redis: shared by Envoys, outliving them, and failing in every way.

mod faults;
mod interrupted;
mod signed;
mod subjects;
mod successors;
mod tasks;
mod versions;

use std::collections::HashSet;
use std::sync::Arc;

use kit::client::{Ask, Session};
use kit::envoy::{Envoy, minor};
use kit::link::{Balancer, Mode};
use kit::mini_redis::Front;
use kit::mode::Mode as Steering;
use kit::pods::App;
use kit::setup::{RedisFront, SharedSetup, on_free_ports};
use kit::wait::{until, within};
use podpin::session::{Scope, SessionId};
use serde_json::json;
use tokio::sync::Barrier;

async fn setup() -> SharedSetup {
    SharedSetup::start(Front::Webdis, App::Stateful).await.expect("the set-up starts")
}

/// A client whose every request is a connection of its own.
pub(crate) fn restless() -> reqwest::Client {
    reqwest::Client::builder().pool_max_idle_per_host(0).build().unwrap()
}

pub(crate) async fn open(envoy: &Envoy) -> String {
    let got = Ask::initialize().send(&restless(), &envoy.url("")).await.expect("a response");
    assert_eq!(got.status(), 200);
    let id = got.headers()["mcp-session-id"].to_str().unwrap().to_owned();
    let initialized = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
    let got = Ask::post(initialized).session(&id).send(&restless(), &envoy.url("")).await.unwrap();
    assert_eq!(got.status(), 202);
    id
}

async fn status(envoy: &Envoy, ask: Ask, id: &str) -> u16 {
    let got = ask.session(id).send(&restless(), &envoy.url("")).await.expect("a response");
    let status = got.status().as_u16();
    if status == 503 {
        assert_eq!(got.headers()["retry-after"], "1");
    }
    got.bytes().await.expect("all of the response");
    status
}

pub(crate) async fn call(envoy: &Envoy, id: &str) -> u16 {
    status(envoy, Ask::tool("count"), id).await
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_use_any_envoy_and_outlive_each_of_them() {
    let setup = setup().await;
    let envoys = use_any_and_kill_each(async || setup.envoy().await.unwrap()).await;
    for envoy in &envoys {
        assert!(envoy.counter("store_asked").await > 0, "it was killed and knew nothing");
    }
}

/// 60 sessions of 20 calls; each request goes to the other Envoy than the one before it, and each
/// Envoy is killed once in between.
pub(crate) async fn use_any_and_kill_each(start: impl AsyncFn() -> Envoy) -> [Envoy; 2] {
    const SESSIONS: usize = 60;
    const CALLS: u32 = 20;
    let mut envoys = [start().await, start().await];
    let balancer = Balancer::over(envoys.iter().map(|envoy| envoy.address).collect());
    let balancer = balancer.await.unwrap();
    let url = format!("http://{}/mcp", balancer.address);
    // All sessions wait for each other and for the one who kills, before and after.
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
    envoys
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_near_cache_knows_needs_no_callout() {
    let setup = setup().await;
    let (opener, other) = (setup.envoy().await.unwrap(), setup.envoy().await.unwrap());
    let id = open(&opener).await;
    let commands = async || {
        let mut all = Vec::new();
        for command in ["getex", "get", "set"] {
            all.push(setup.redis.calls(command).await);
        }
        all
    };
    for envoy in [&opener, &other] {
        // The first call through the other one reads.
        assert_eq!(call(envoy, &id).await, 200);
        let before = commands().await;
        for _ in 0..50 {
            assert_eq!(call(envoy, &id).await, 200);
        }
        assert_eq!(commands().await, before);
    }
    assert_eq!(commands().await, [1, 0, 1]);
    assert_eq!((opener.counter("store_asked").await, other.counter("store_asked").await), (0, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_miss_together_ask_once_on_each_worker() {
    let setup = setup().await;
    let opener = setup.envoy().await.unwrap();
    let id = open(&opener).await;
    let other = Arc::new(slow_envoy(&setup).await);
    setup.link.set(Mode::Held);
    let waiting: Vec<_> = (0..30)
        .map(|_| {
            let (other, id) = (other.clone(), id.clone());
            tokio::spawn(async move { call(&other, &id).await })
        })
        .collect();
    until("30 requests in Envoy", || async {
        let stats = other.stats("http.mcp.downstream_rq_active").await.unwrap();
        (stats["http.mcp.downstream_rq_active"] == 30).then_some(())
    })
    .await;
    setup.link.set(Mode::Open);
    for request in waiting {
        assert_eq!(request.await.unwrap(), 200);
    }
    let asked = setup.redis.calls("getex").await;
    assert!((1..=2).contains(&asked), "{asked} on two workers");
    assert_eq!(other.counter("store_asked").await, asked);
}

/// An Envoy that gives the store all the time it wants.
async fn slow_envoy(setup: &SharedSetup) -> Envoy {
    let example = setup.bootstrap().unwrap();
    let example = example.plugin(|plugin| plugin["store"]["timeout"] = json!("60s"));
    Envoy::start(&example).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_body_waits_for_the_store_and_arrives_whole() {
    let setup = setup().await;
    let opener = setup.envoy().await.unwrap();
    let id = open(&opener).await;
    let other = Arc::new(slow_envoy(&setup).await);
    setup.link.set(Mode::Held);
    let text = "\u{e9}".repeat(1_500_000);
    let params = json!({"name": "notify", "arguments": {"text": text}});
    let large =
        Ask::post(json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}));
    let body = large.body.clone();
    assert!(body.len() > 3_000_000);
    setup.pods.take_seen();
    let waiting = tokio::spawn({
        let (other, id) = (other.clone(), id.clone());
        async move { status(&other, large, &id).await }
    });
    until("the request to wait for the store", || async {
        (other.counter("store_asked").await == 1).then_some(())
    })
    .await;
    setup.link.set(Mode::Open);
    assert_eq!(waiting.await.unwrap(), 200);
    let seen = setup.pods.take_seen();
    assert_eq!(seen.len(), 1);
    assert!(seen[0].1.body == body, "{} bytes arrived", seen[0].1.body.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_client_learns_of_its_session_only_when_it_is_written_down() {
    let setup = setup().await;
    let envoy = Arc::new(slow_envoy(&setup).await);
    setup.link.set(Mode::Held);
    let waiting = tokio::spawn({
        let envoy = envoy.clone();
        async move { open(&envoy).await }
    });
    until("the pod to answer", || async {
        let stats = envoy.stats("upstream_rq_2xx").await.unwrap();
        (stats.values().sum::<u64>() > 0).then_some(())
    })
    .await;
    assert!(!waiting.is_finished());
    assert_eq!(setup.redis.keys().await, 0);
    setup.link.set(Mode::Open);
    let id = waiting.await.unwrap();
    assert_eq!(setup.redis.keys().await, 1);
    let other = setup.envoy().await.unwrap();
    assert_eq!(call(&other, &id).await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_a_session_spreads() {
    let setup = setup().await;
    let (one, other) = (setup.envoy().await.unwrap(), setup.envoy().await.unwrap());
    let id = open(&one).await;
    assert_eq!(call(&other, &id).await, 200);
    assert_eq!(status(&one, Ask::delete(), &id).await, 202);
    has_ended(&setup, &id).await;
    // The other one still thinks that it knows; the pod knows better.
    assert_eq!(call(&other, &id).await, 404);
    other.counted("lost", 1).await;
    assert_eq!(call(&other, &id).await, 404);
    other.counted("unknown", 1).await;
    assert_eq!(call(&one, &id).await, 404);
    assert_eq!(call(&setup.envoy().await.unwrap(), &id).await, 404);
}

/// What the pod does not tell, the store does.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_ended_elsewhere_is_not_kept_by_its_use() {
    let setup = SharedSetup::start(Front::Webdis, App::Script(super::table::opens_and_forgets))
        .await
        .unwrap();
    let example = setup.bootstrap().unwrap();
    let example = example.plugin(|plugin| plugin["session"] = json!({"idle_timeout": "20s"}));
    let (one, other) =
        (Envoy::start(&example).await.unwrap(), Envoy::start(&example).await.unwrap());
    let got = Ask::initialize().send(&restless(), &one.url("")).await.unwrap();
    let id = got.headers()["mcp-session-id"].to_str().unwrap().to_owned();
    assert_eq!(call(&other, &id).await, 200);
    assert_eq!(status(&one, Ask::delete(), &id).await, 200);
    has_ended(&setup, &id).await;
    assert_eq!(call(&other, &id).await, 200, "it has yet to learn of it");
    until("the other Envoy to write a use back, and so to learn of the end", || async {
        (call(&other, &id).await == 404).then_some(())
    })
    .await;
    for _ in 0..3 {
        assert_eq!(call(&other, &id).await, 404);
        assert_eq!(call(&one, &id).await, 404);
    }
    has_ended(&setup, &id).await;
}

/// The key of a session in Redis.
pub(crate) fn key_of(id: &str) -> String {
    let id = SessionId::parse(id.as_bytes()).unwrap();
    format!("podpin:{:x}", Scope::new("default/myserver").key(id))
}

/// Waits until Redis says that a session has ended, and for how long it will.
async fn has_ended(setup: &SharedSetup, id: &str) {
    let key = key_of(id);
    until("the end of the session to be written down", || async {
        let value = setup.redis.command(&["GET", &key]).await.unwrap();
        let redis::Value::BulkString(value) = value else { panic!("{value:?}") };
        value.starts_with(br#"{"v":1,"ended":"#).then_some(())
    })
    .await;
    let left = setup.redis.command(&["TTL", &key]).await.unwrap();
    assert!(matches!(left, redis::Value::Int(1..=7920)), "{left:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn neither_redis_nor_any_log_holds_a_session_id() {
    let setup = setup().await;
    let envoy = setup.envoy().await.unwrap();
    let id = open(&envoy).await;
    assert_eq!(call(&envoy, &id).await, 200);
    let other = setup.envoy().await.unwrap();
    assert_eq!(call(&other, &id).await, 200);

    let RedisFront::Webdis(webdis) = &setup.front else { panic!("webdis") };
    let dump = format!("{:?}", dump(&setup).await);
    assert!(dump.contains("podpin:") && dump.contains("myserver-"), "{dump}");
    let logs = [envoy.log(), envoy.access_log(), other.log(), other.access_log(), webdis.log()];
    for text in logs.iter().chain([&dump]) {
        assert!(!text.contains(&id));
    }
    // Commands travel in bodies, so not even hashed keys are logged.
    let key = dump.split("podpin:").nth(1).unwrap()[..32].to_owned();
    assert!(key.bytes().all(|byte| byte.is_ascii_hexdigit()), "{key}");
    assert!(webdis.log().contains(" /"), "webdis logs its requests: {}", webdis.log());
    assert!(logs.iter().all(|log| !log.contains(&key)));
}

/// All keys and values.
pub(crate) async fn dump(setup: &SharedSetup) -> Vec<redis::Value> {
    let keys = setup.redis.command(&["KEYS", "*"]).await.unwrap();
    let redis::Value::Array(keys) = keys else { panic!("{keys:?}") };
    let mut all = Vec::new();
    for key in keys {
        let redis::Value::BulkString(name) = &key else { panic!("{key:?}") };
        let name = String::from_utf8(name.clone()).unwrap();
        all.push(redis::Value::SimpleString(name.clone()));
        let value = setup.redis.command(&["GET", &name]).await.unwrap();
        let redis::Value::BulkString(value) = value else { panic!("{value:?}") };
        all.push(redis::Value::SimpleString(String::from_utf8(value).unwrap()));
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_expire_by_themselves() {
    let setup = SharedSetup::start(Front::Webdis, App::Script(super::table::opens_and_forgets));
    let setup = setup.await.expect("the set-up starts");
    let example = setup.bootstrap().unwrap();
    let example = example.plugin(|plugin| plugin["session"] = json!({"idle_timeout": "1s"}));
    let envoy = Envoy::start(&example).await.unwrap();
    super::table::abandon(&envoy, 80).await;
    assert_eq!(setup.redis.calls("set").await, 80);
    until("all keys to expire", || async { (setup.redis.keys().await == 0).then_some(()) }).await;
}

/// Ten thousand sessions: what they take, and how they are found.
#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_sessions_take_little() {
    const SESSIONS: u64 = 10_000;
    let setup = SharedSetup::start(Front::Webdis, App::Script(super::table::opens_and_forgets));
    let setup = setup.await.expect("the set-up starts");
    let example = setup.bootstrap().unwrap().plugin(|plugin| {
        plugin["session"] = json!({"idle_timeout": "1h"});
        plugin["store"]["timeout"] = json!("10s");
    });
    let envoy = Arc::new(Envoy::start(&example).await.unwrap());
    let before = setup.redis.used_memory().await;
    super::table::abandon(&envoy, SESSIONS).await;
    let opened = envoy.counter("bound").await;
    assert_eq!(opened, SESSIONS);
    assert_eq!(setup.redis.keys().await, SESSIONS as i64);
    let each = (setup.redis.used_memory().await - before) / SESSIONS as i64;
    assert!(each < 400, "{each} bytes for each");
    println!("{each} bytes of Redis for each session");
    for command in ["keys", "scan"] {
        assert_eq!(setup.redis.calls(command).await, 0, "{command}");
    }
    assert_eq!(setup.redis.calls("set").await, SESSIONS);
}

/// What is looked up is steered from within a callback that is none of the request's.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_of_another_envoy_is_found_in_every_mode() {
    for mode in Steering::ALL.into_iter().filter(|mode| *mode != Steering::OriginalDst) {
        let setup = SharedSetup::start_for(mode.example(), Front::Webdis, App::Stateful).await;
        let setup = setup.expect("the set-up starts");
        let mut example = on_free_ports(mode.example(), &setup.pods, &setup.dns).unwrap();
        example.take_store(setup.bootstrap().unwrap());
        let (opener, other) =
            (Envoy::start(&example).await.unwrap(), Envoy::start(&example).await.unwrap());
        for _ in 0..6 {
            let id = open(&opener).await;
            // Envoy 1.36 takes no filter state from such a callback.
            let is_refused = mode == Steering::DynamicHost && minor().unwrap() < 37;
            let wanted = if is_refused { 503 } else { 200 };
            assert_eq!(call(&other, &id).await, wanted, "{mode:?}");
            assert_eq!(call(&other, &id).await, 200, "{mode:?}, known by now");
        }
    }
}
