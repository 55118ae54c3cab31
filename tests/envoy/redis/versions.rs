//! Envoys of two releases that share a Redis, as they do while one replaces the other.

use kit::bootstrap::Bootstrap;
use kit::client::Ask;
use kit::envoy::Envoy;
use kit::mini_redis::Front;
use kit::pods::App;
use kit::setup::SharedSetup;
use kit::wait::until;

use super::{call, has_ended, open, status};

/// An Envoy with the module of version 0.1.0, whose notes had no scope.
async fn old_envoy(setup: &SharedSetup) -> Envoy {
    let module = kit::root().join("tests/fixtures/podpin-0.1.0.wasm");
    let example = setup.bootstrap().unwrap().with_module(&module);
    let text = example.0.to_string().replace(&kit::note(""), "wasm.podpin.");
    Envoy::start(&Bootstrap(serde_json::from_str(&text).unwrap())).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_are_served_by_envoys_of_either_release() {
    // 0.1.0 needs EXPIRE and DEL beside what the user of webdis is allowed here.
    let setup = SharedSetup::start(Front::Upstash, App::Stateful).await.unwrap();
    let (old, new) = (old_envoy(&setup).await, setup.envoy().await.unwrap());
    let [by_old, by_new] = [open(&old).await, open(&new).await];
    for id in [&by_old, &by_new] {
        for envoy in [&old, &new] {
            assert_eq!(call(envoy, id).await, 200);
        }
    }
    for envoy in [&old, &new] {
        assert_eq!(envoy.counter("store_asked").await, 1, "for the other's session");
    }
    // What ended on one has ended for all, even if they have never heard of the session.
    assert_eq!(status(&new, Ask::delete(), &by_old).await, 202);
    has_ended(&setup, &by_old).await;
    assert_eq!(status(&old, Ask::delete(), &by_new).await, 202);
    until("the other key to go", || async { (setup.redis.keys().await == 1).then_some(()) }).await;
    let (old, new) = (old_envoy(&setup).await, setup.envoy().await.unwrap());
    for envoy in [&old, &new] {
        assert_eq!(call(envoy, &by_old).await, 404);
        assert_eq!(call(envoy, &by_new).await, 404);
    }
    old.counted("unknown", 2).await;
}
