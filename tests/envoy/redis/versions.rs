//! Envoys of two releases that share a Redis, as they do while one replaces the other.

use std::path::PathBuf;

use kit::bootstrap::Bootstrap;
use kit::client::Ask;
use kit::envoy::Envoy;
use kit::mini_redis::Front;
use kit::pods::App;
use kit::setup::SharedSetup;

use super::{call, has_ended, key_of, open, status};

/// The module of version 0.1.0.
fn old_module() -> PathBuf {
    kit::root().join("tests/fixtures/podpin-0.1.0.wasm")
}

/// An Envoy with the module of version 0.1.0, whose notes had no scope.
async fn old_envoy(setup: &SharedSetup) -> Envoy {
    let example = setup.bootstrap().unwrap().with_module(&old_module());
    let text = example.0.to_string().replace(&kit::note(""), "wasm.podpin.");
    Envoy::start(&Bootstrap(serde_json::from_str(&text).unwrap())).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_are_served_by_envoys_of_either_release() {
    // 0.1.0 needs EXPIRE and DEL beside what is allowed to the user of webdis.
    let setup = SharedSetup::start(Front::Upstash, App::Stateful).await.unwrap();
    let (old, new) = (old_envoy(&setup).await, setup.envoy().await.unwrap());
    let [by_old, by_new] = [open(&old).await, open(&new).await];
    for (id, other) in [(&by_old, &new), (&by_new, &old)] {
        for envoy in [&old, &new, other] {
            assert_eq!(call(envoy, id).await, 200);
        }
        let [value] = [setup.redis.command(&["GET", &key_of(id)]).await.unwrap()];
        let redis::Value::BulkString(value) = value else { panic!("{value:?}") };
        println!("{}", String::from_utf8(value).unwrap());
    }
    // What ended on one has ended on the other, even if that has never heard of the session.
    assert_eq!(status(&new, Ask::delete(), &by_old).await, 202);
    has_ended(&setup, &by_old).await;
    assert_eq!(status(&old, Ask::delete(), &by_new).await, 202);
    let (old, new) = (old_envoy(&setup).await, setup.envoy().await.unwrap());
    for envoy in [&old, &new] {
        assert_eq!(call(envoy, &by_old).await, 404);
        assert_eq!(call(envoy, &by_new).await, 404);
        envoy.counted("unknown", 2).await;
    }
}
