//! An Envoy that another takes over from, one that is drained, and one beside which another has the stream.

use kit::bootstrap::Bootstrap;
use kit::client::{Ask, Session};
use kit::envoy::Envoy;
use kit::wait::{until, within};
use serde_json::json;

use super::setup;

const SESSIONS: u32 = 6;

/// Sessions, each with an open stream.
async fn sessions(envoy: &Envoy) -> Vec<Session> {
    let mut sessions = Vec::new();
    for _ in 0..SESSIONS {
        let session = Session::open(reqwest::Client::new(), &envoy.url("/mcp")).await;
        sessions.push(session.expect("a session opens"));
    }
    sessions
}

/// Each session's pod still reaches its client, and the other way round.
async fn go_on(sessions: &mut [Session]) {
    for session in sessions {
        let called = session.call("notify", json!({"text": "still there"})).await;
        assert_eq!(called.expect("no call is lost"), "sent");
        let event = within("the event", session.notifications.recv()).await;
        assert_eq!(event.as_deref(), Some("still there"));
    }
}

/// The example on the port that an Envoy got.
fn at_the_port_of(envoy: &Envoy, mut example: Bootstrap) -> Bootstrap {
    let address = &mut example.0["static_resources"]["listeners"][0]["address"];
    address["socket_address"]["port_value"] = envoy.address.port().into();
    example
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hot_restart_keeps_open_streams_and_sessions() {
    let setup = setup().await;
    let example = setup.bootstrap().expect("an example");
    let first = Envoy::start_replaceable(&example).await.expect("Envoy starts");
    let mut old = sessions(&first).await;
    go_on(&mut old).await;
    let silent = super::open(&first).await;

    let second = first.succeed(&at_the_port_of(&first, example)).await.expect("another takes over");
    assert_eq!(second.address, first.address);
    // Over the connections that they have, which are the first one's.
    go_on(&mut old).await;
    // Over new ones.
    let mut new = sessions(&second).await;
    go_on(&mut new).await;
    until("the second to serve", || async { (!second.access_log().is_empty()).then_some(()) })
        .await;

    // What the first knows the second reads from the Redis.
    assert_eq!(super::call(&second, &silent).await, 200);
    drop(first);
    // Its streams and connections end with it, under a request even, but no session does.
    for session in &old {
        if within("a call", session.count()).await.is_err() {
            within("a call", session.count()).await.expect("no session is lost");
        }
    }
    assert_eq!(second.counter("unknown").await + second.counter("lost").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drained_envoy_lets_open_streams_finish() {
    let setup = setup().await;
    let drained = setup.envoy().await.expect("Envoy starts");
    let mut sessions = sessions(&drained).await;
    let drain = format!("http://{}/drain_listeners?graceful&skip_exit", drained.admin);
    let answer = reqwest::Client::new().post(drain).send().await.expect("an answer");
    assert_eq!(answer.status(), 200);
    go_on(&mut sessions).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_through_one_envoy_keeps_its_session_for_the_other() {
    let setup = setup().await;
    let example = setup.bootstrap().expect("an example");
    let example = example.plugin(|plugin| plugin["session"]["idle_timeout"] = json!("2s"));
    let envoys = [Envoy::start(&example).await.unwrap(), Envoy::start(&example).await.unwrap()];
    let http = reqwest::Client::new();
    let (streaming, alone) = (super::open(&envoys[0]).await, super::open(&envoys[0]).await);
    let stream = Ask::get().session(&streaming).send(&http, &envoys[0].url("")).await;
    let stream = stream.expect("a stream");
    assert_eq!(stream.status(), 200);
    // It says so every tenth of the idle time-out, so this is more than two of these.
    let before = setup.redis.calls("getex").await;
    until("the stream to be used for long", || async {
        (setup.redis.calls("getex").await > before + 25).then_some(())
    })
    .await;
    assert_eq!(super::call(&envoys[1], &streaming).await, 200);
    assert_eq!(super::call(&envoys[1], &alone).await, 404, "nobody used it");
}
