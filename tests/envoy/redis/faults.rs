//! Every way in which the store can fail. What the near cache knows is served in full, what it
//! does not know is answered 503 with `Retry-After` and never 404, and when the store is well
//! again, so is everything, without a restart.

use std::net::SocketAddr;
use std::sync::Arc;

use kit::bootstrap::publish;
use kit::client::{Ask, Session};
use kit::envoy::Envoy;
use kit::link::{Balancer, Mode};
use kit::setup::{RedisFront, SharedSetup};
use kit::wait::{until, within};
use serde_json::json;

use super::{call, has_ended, key_of, open, restless, setup, status};

/// Two sessions that the Envoy under test knows, and one that only Redis knows.
struct Sessions {
    known: String,
    /// The one that ends while the store fails.
    ended: String,
    foreign: String,
}

async fn sessions(setup: &SharedSetup, envoy: &Envoy) -> Sessions {
    let other = setup.envoy().await.unwrap();
    Sessions { known: open(envoy).await, ended: open(envoy).await, foreign: open(&other).await }
}

/// Asserts what holds while the store fails.
async fn fails_safely(envoy: &Envoy, sessions: &Sessions) {
    for _ in 0..5 {
        assert_eq!(call(envoy, &sessions.foreign).await, 503);
        assert_eq!(call(envoy, &sessions.known).await, 200);
        assert_eq!(status(envoy, Ask::initialize(), "never-heard-of").await, 503);
    }
    assert_eq!(opened(envoy).await, 503);
    let stream = Ask::get().session(&sessions.known).send(&restless(), &envoy.url("")).await;
    assert_eq!(stream.unwrap().status(), 200);
    assert_eq!(status(envoy, Ask::delete(), &sessions.ended).await, 202);
    assert!(envoy.counter("store_faults").await > 0);
    assert_eq!(envoy.counter("unknown").await, 0);
}

/// The status of an attempt to open a session.
async fn opened(envoy: &Envoy) -> u16 {
    let got = Ask::initialize().send(&restless(), &envoy.url("")).await.unwrap();
    got.status().as_u16()
}

/// Asserts that all is well, as soon as the store is tried again.
async fn recovers(setup: &SharedSetup, envoy: &Envoy, sessions: &Sessions) {
    is_tried_again(envoy).await;
    has_ended(setup, &sessions.ended).await;
    assert_eq!(call(envoy, &sessions.foreign).await, 200);
    assert_eq!(call(envoy, &sessions.known).await, 200);
    let id = open(envoy).await;
    assert_eq!(call(envoy, &id).await, 200);
}

/// Waits until every worker has tried the store again: each pauses by itself.
async fn is_tried_again(envoy: &Envoy) {
    until("the store to be tried again", || async {
        for number in 0..20 {
            match call(envoy, &format!("never-heard-of-{number}")).await {
                404 => {}
                503 => return None,
                status => panic!("{status}"),
            }
        }
        Some(())
    })
    .await;
}

async fn fault_of_the_link(mode: Mode) {
    let setup = setup().await;
    let envoy = setup.envoy().await.unwrap();
    let sessions = sessions(&setup, &envoy).await;
    setup.link.set(mode);
    fails_safely(&envoy, &sessions).await;
    setup.link.set(Mode::Open);
    recovers(&setup, &envoy, &sessions).await;
}

/// Some clients hand a JSON-RPC error to whoever waits for its id, and so let a call wait for ever whose answer has
/// none.
#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_is_answered_503_fails_and_the_next_works() {
    let setup = setup().await;
    let (envoy, other) = (setup.envoy().await.unwrap(), setup.envoy().await.unwrap());
    let balancer = Balancer::over(vec![other.address]).await.unwrap();
    let url = format!("http://{}/mcp", balancer.address);
    let session = Session::open(restless(), &url).await.expect("a session opens");
    assert_eq!(session.count().await.expect("no call is lost"), 1);
    balancer.set(vec![envoy.address]);
    setup.link.set(Mode::Closed);
    let error = within("an answer", session.count()).await.expect_err("it is not known here");
    assert!(format!("{error:#}").contains("503"), "{error:#}");
    let refused = within("an answer", Session::open(restless(), &url)).await;
    assert!(refused.is_err(), "the store did not take the session");
    setup.link.set(Mode::Open);
    is_tried_again(&envoy).await;
    assert_eq!(session.count().await.expect("no call is lost"), 2);
}

fn answers(text: &str) -> Mode {
    Mode::Answers(text.as_bytes().to_vec())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_front_that_goes_down() {
    fault_of_the_link(Mode::Closed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_front_that_does_not_answer() {
    fault_of_the_link(Mode::Held).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_front_that_answers_garbage() {
    fault_of_the_link(answers("HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\n<html>")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_front_that_speaks_no_http() {
    fault_of_the_link(answers("-ERR unknown command\r\n")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_front_that_refuses_the_credentials() {
    let unauthorized = "HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n";
    fault_of_the_link(answers(unauthorized)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_front_that_answers_500() {
    let broken = "HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n";
    fault_of_the_link(answers(broken)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_front_that_breaks_off_within_the_body() {
    let half = "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"GETEX\":\"{";
    fault_of_the_link(answers(half)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_front_that_is_down_at_the_start() {
    let setup = setup().await;
    let foreign = open(&setup.envoy().await.unwrap()).await;
    setup.link.set(Mode::Closed);
    let envoy = setup.envoy().await.unwrap();
    assert_eq!(opened(&envoy).await, 503);
    assert_eq!(call(&envoy, &foreign).await, 503);
    setup.link.set(Mode::Open);
    is_tried_again(&envoy).await;
    assert_eq!(call(&envoy, &foreign).await, 200);
    open(&envoy).await;
}

/// The clusters come from a file, as they would from a control plane.
#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_envoy_does_not_have() {
    let setup = setup().await;
    let foreign = open(&setup.envoy().await.unwrap()).await;
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("clusters.json");
    let mut example = setup.bootstrap().unwrap();
    let mut webdis = example.take_cluster("webdis");
    webdis["@type"] = json!("type.googleapis.com/envoy.config.cluster.v3.Cluster");
    publish(&[], &file);
    example.0["node"] = json!({"id": "test", "cluster": "test"});
    example.0["dynamic_resources"] = json!({"cds_config": {"path_config_source": {"path": file}}});
    let envoy = Envoy::start(&example).await.unwrap();
    assert_eq!(opened(&envoy).await, 503);
    assert_eq!(call(&envoy, &foreign).await, 503);
    assert!(envoy.log().contains("the proxy cannot send to its cluster webdis"));

    publish(&[webdis], &file);
    is_tried_again(&envoy).await;
    assert_eq!(call(&envoy, &foreign).await, 200);
    open(&envoy).await;
}

/// What it holds can still be read, and kept alive.
#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_is_full() {
    let setup = setup().await;
    let envoy = setup.envoy().await.unwrap();
    let sessions = sessions(&setup, &envoy).await;
    setup.redis.command(&["CONFIG", "SET", "maxmemory", "1"]).await.unwrap();
    for _ in 0..5 {
        assert_eq!(opened(&envoy).await, 503);
    }
    assert_eq!(call(&envoy, &sessions.foreign).await, 200);
    assert_eq!(call(&envoy, &sessions.known).await, 200);
    assert_eq!(call(&envoy, "never-heard-of").await, 404);
    assert_eq!(status(&envoy, Ask::delete(), &sessions.ended).await, 202);
    setup.redis.command(&["CONFIG", "SET", "maxmemory", "0"]).await.unwrap();
    recovers(&setup, &envoy, &sessions).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_credentials() {
    let setup = setup().await;
    let foreign = open(&setup.envoy().await.unwrap()).await;
    let example = setup.bootstrap().unwrap();
    let example = example.plugin(|plugin| plugin["store"]["password"] = json!("a guess"));
    let envoy = Envoy::start(&example).await.unwrap();
    assert_eq!(opened(&envoy).await, 503);
    assert_eq!(call(&envoy, &foreign).await, 503);
    assert!(envoy.log().contains("the store fails: it refuses the credentials (403)"));
    assert!(!envoy.log().contains("a guess"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_is_down() {
    let mut setup = setup().await;
    let envoy = setup.envoy().await.unwrap();
    let sessions = sessions(&setup, &envoy).await;
    setup.redis.stop();
    fails_safely(&envoy, &sessions).await;
    setup.redis.run().await.unwrap();
    is_tried_again(&envoy).await;
    // It has lost everything, which nobody can undo for a session that only it knew.
    assert_eq!(call(&envoy, &sessions.foreign).await, 404);
    assert_eq!(call(&envoy, &sessions.known).await, 200);
    open(&envoy).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_may_not_be_written() {
    let setup = setup().await;
    let envoy = setup.envoy().await.unwrap();
    let sessions = sessions(&setup, &envoy).await;
    setup.redis.command(&["REPLICAOF", "127.0.0.1", "1"]).await.unwrap();
    fails_safely(&envoy, &sessions).await;
    setup.redis.command(&["REPLICAOF", "NO", "ONE"]).await.unwrap();
    recovers(&setup, &envoy, &sessions).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_front_that_is_restarted() {
    let mut setup = setup().await;
    let envoy = setup.envoy().await.unwrap();
    let sessions = sessions(&setup, &envoy).await;
    let RedisFront::Webdis(webdis) = &mut setup.front else { panic!("webdis") };
    webdis.stop();
    fails_safely(&envoy, &sessions).await;
    let RedisFront::Webdis(webdis) = &mut setup.front else { panic!("webdis") };
    assert!(webdis.run().await.unwrap(), "its port was taken meanwhile");
    recovers(&setup, &envoy, &sessions).await;
}

/// A store that was emptied gets back what an Envoy still knows, when that is next used.
#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_was_emptied_is_filled_again_by_use() {
    let setup = setup().await;
    let example = setup.bootstrap().unwrap();
    let example = example.plugin(|plugin| plugin["session"] = json!({"idle_timeout": "10s"}));
    let (one, other) =
        (Envoy::start(&example).await.unwrap(), Envoy::start(&example).await.unwrap());
    let id = open(&one).await;
    setup.redis.command(&["FLUSHALL"]).await.unwrap();
    assert_eq!(call(&one, &id).await, 200);
    // Its use is written down every tenth of the idle timeout.
    until("the session to be written down again", || async {
        assert_eq!(call(&one, &id).await, 200);
        (setup.redis.keys().await == 1).then_some(())
    })
    .await;
    assert_eq!(call(&other, &id).await, 200);
}

/// With `on_error: continue` a session opens all the same, known to one Envoy only.
#[tokio::test(flavor = "multi_thread")]
async fn new_sessions_may_go_on_without_the_store() {
    let setup = setup().await;
    let example = setup.bootstrap().unwrap();
    let example = example.plugin(|plugin| plugin["store"]["on_error"] = json!("continue"));
    let envoy = Envoy::start(&example).await.unwrap();
    for mode in [Mode::Closed, Mode::Held] {
        setup.link.set(mode);
        for _ in 0..4 {
            let id = open(&envoy).await;
            assert_eq!(call(&envoy, &id).await, 200);
        }
    }
    assert_eq!(envoy.counter("not_shared").await, 8);
    assert_eq!(setup.redis.keys().await, 0);
}

/// A store that keeps failing costs a request its time-out a few times, not every time.
#[tokio::test(flavor = "multi_thread")]
async fn a_dead_store_does_not_cost_every_request_its_timeout() {
    let setup = setup().await;
    let example = setup.bootstrap().unwrap();
    let example = example.plugin(|plugin| plugin["store"]["timeout"] = json!("500ms"));
    let envoy = Envoy::start(&example).await.unwrap();
    setup.link.set(Mode::Held);
    for number in 0..100 {
        assert_eq!(call(&envoy, &format!("unknown-{number}")).await, 503);
    }
    // Three in a row on each of two workers, then one a second.
    let (faults, skipped) =
        (envoy.counter("store_faults").await, envoy.counter("store_skipped").await);
    assert_eq!(faults + skipped, 100);
    assert!(skipped >= 80, "{skipped} of 100 were answered at once");
}

/// What others wrote into Redis is not trusted. What a newer release wrote may be a session.
#[tokio::test(flavor = "multi_thread")]
async fn values_that_are_no_pins_of_the_workload_are_misses() {
    let setup = setup().await;
    let opener = setup.envoy().await.unwrap();
    for (value, wanted) in [
        (r#"{"v":1,"host":"169.254.169.254","address":null,"bound_at":0,"used_at":0}"#, 404),
        (r#"{"v":1,"host":"127.0.0.1","address":"127.0.0.1:1","bound_at":0,"used_at":0}"#, 404),
        (r#"{"v":2,"pod":"myserver-0"}"#, 404),
        ("myserver-0", 404),
        ("", 404),
        (r#"{"v":5,"pod":"myserver-0"}"#, 503),
    ] {
        let id = open(&opener).await;
        setup.redis.command(&["SET", &key_of(&id), value, "KEEPTTL"]).await.unwrap();
        let other = setup.envoy().await.unwrap();
        assert_eq!(call(&other, &id).await, wanted, "{value}");
        let counters = ["store_untrusted", "store_faults"];
        let [untrusted, faults] = counters.map(|name| other.counter(name));
        let wanted = if wanted == 404 { (1, 0) } else { (0, 1) };
        assert_eq!((untrusted.await, faults.await), wanted, "{value}");
    }
}

/// A flood of invented ids must not close the door to those who open sessions.
#[tokio::test(flavor = "multi_thread")]
async fn look_ups_that_time_out_do_not_keep_sessions_from_opening() {
    let setup = setup().await;
    let front = hangs_on_look_ups().await;
    let example = setup.bootstrap().unwrap().port(setup.link.address.port(), front.port());
    let envoy = Arc::new(
        Envoy::start(&example.plugin(|plugin| {
            plugin["store"] = json!({
                "kind": "redis", "cluster": "webdis", "dialect": "upstash", "timeout": "500ms",
            });
        }))
        .await
        .unwrap(),
    );
    let flood: Vec<_> = (0..20)
        .map(|lane| {
            let envoy = envoy.clone();
            tokio::spawn(async move {
                for number in 0.. {
                    assert_eq!(call(&envoy, &format!("invented-{lane}-{number}")).await, 503);
                }
            })
        })
        .collect();
    until("look-ups to time out on each worker", || async {
        (envoy.counter("store_skipped").await >= 100).then_some(())
    })
    .await;
    for _ in 0..20 {
        let id = open(&envoy).await;
        assert_eq!(call(&envoy, &id).await, 200);
    }
    assert!(envoy.counter("store_faults").await >= 3);
    for lane in flood {
        assert!(!lane.is_finished());
        lane.abort();
    }
}

/// A front of Upstash's protocol that takes all it is given, and never finds anything.
async fn hangs_on_look_ups() -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = axum::Router::new().fallback(|body: String| async move {
        if body.starts_with(r#"["GETEX""#) {
            std::future::pending::<()>().await;
        }
        r#"{"result":"OK"}"#
    });
    tokio::spawn(async { axum::serve(listener, app).await });
    address
}
