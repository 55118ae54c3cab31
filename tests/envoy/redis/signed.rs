//! Records that are signed: whoever else writes to the Redis pins nothing.

use kit::bootstrap::Bootstrap;
use kit::envoy::Envoy;
use kit::mini_redis::Front;
use kit::pods::App;
use kit::sealed::KEY;
use kit::setup::{SharedSetup, on_free_ports};
use serde_json::{Value, json};

use super::{call, key_of, open, setup};

fn signing(example: Bootstrap) -> Bootstrap {
    example.plugin(|plugin| plugin["store"]["keys"] = json!([{"id": "test", "key": KEY}]))
}

async fn stored(setup: &SharedSetup, id: &str) -> Value {
    let reply = setup.redis.command(&["GET", &key_of(id)]).await.expect("a reply");
    let text: String = redis::from_redis_value(reply).expect("text");
    serde_json::from_str(&text).expect("JSON")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_the_workloads_own_envoys_did_not_write_is_no_pin() {
    let setup = setup().await;
    let example = signing(setup.bootstrap().expect("an example"));
    let start = async || Envoy::start(&example).await.expect("Envoy starts");
    let opener = start().await;
    let id = open(&opener).await;
    let record = stored(&setup, &id).await;
    assert_eq!(record["v"], 4);
    assert_eq!(call(&start().await, &id).await, 200, "another Envoy with the key");

    // One that somebody else wrote, one that was moved here from another session, and one that was changed.
    let other = stored(&setup, &open(&opener).await).await;
    let mut changed = record.clone();
    let text = changed["record"].as_str().expect("text").replace("bound_at", "unknown");
    changed["record"] = text.into();
    for (about, forged) in [
        ("unsigned", serde_json::from_str(record["record"].as_str().expect("text")).expect("JSON")),
        ("of another session", other),
        ("changed", changed),
    ] {
        let forged: Value = forged;
        let write = ["SET", &key_of(&id), &forged.to_string(), "KEEPTTL"];
        setup.redis.command(&write).await.expect("a reply");
        let envoy = start().await;
        assert_eq!(call(&envoy, &id).await, 404, "{about}");
        assert_eq!(envoy.counter("store_untrusted").await, 1, "{about}");
        assert_eq!(call(&opener, &id).await, 200, "who knows the session goes on");
    }
}

/// It may well be a live session, of Envoys that were given keys already.
#[tokio::test(flavor = "multi_thread")]
async fn a_signed_record_is_no_unknown_session_to_an_envoy_without_keys() {
    let setup = setup().await;
    let example = setup.bootstrap().expect("an example");
    let id = open(&Envoy::start(&signing(example.clone())).await.expect("Envoy starts")).await;
    let plain = Envoy::start(&example).await.expect("Envoy starts");
    assert_eq!(call(&plain, &id).await, 503);
    assert!(plain.log().contains("is signed, but store.keys is not configured"));
}

/// Which is refused without keys: whoever writes to the Redis would choose where requests go.
#[tokio::test(flavor = "multi_thread")]
async fn sessions_by_address_are_shared_by_a_redis_if_records_are_signed() {
    let setup = SharedSetup::start_for("original-dst.yaml", Front::Webdis, App::Stateful).await;
    let setup = setup.expect("the set-up starts");
    let mut example =
        on_free_ports("original-dst.yaml", &setup.pods, &setup.dns).expect("an example");
    example.take_store(setup.bootstrap().expect("an example"));
    let example = signing(example);
    let [one, other] = [Envoy::start(&example).await, Envoy::start(&example).await];
    let (one, other) = (one.expect("Envoy starts"), other.expect("Envoy starts"));
    for _ in 0..6 {
        let id = open(&one).await;
        assert_eq!((call(&one, &id).await, call(&other, &id).await), (200, 200));
    }
    assert_eq!(other.counter("unknown").await, 0);
}
