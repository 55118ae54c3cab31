//! Sessions that belong to somebody, shared by Envoys.

use kit::client::Ask;
use kit::envoy::Envoy;
use serde_json::json;

use super::{open, restless, setup};

async fn call(envoy: &Envoy, id: &str, user: &str) -> u16 {
    let ask = Ask::tool("count").session(id).header("x-user", user);
    let got = ask.send(&restless(), &envoy.url("")).await.expect("a response");
    got.status().as_u16()
}

async fn open_by(envoy: &Envoy, user: &str) -> String {
    let ask = Ask::initialize().header("x-user", user);
    let got = ask.send(&restless(), &envoy.url("")).await.expect("a response");
    assert_eq!(got.status(), 200);
    got.headers()["mcp-session-id"].to_str().expect("an id").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn whom_a_session_belongs_to_another_envoy_knows_as_well() {
    let setup = setup().await;
    let example = setup.bootstrap().expect("an example");
    let bound = example
        .clone()
        .plugin(|plugin| plugin["session"]["bind_to"] = json!([{"header": "x-user"}]));
    let start = async || Envoy::start(&bound).await.expect("Envoy starts");
    let (opener, other) = (start().await, start().await);
    let id = open_by(&opener, "alice").await;
    for envoy in [&other, &opener] {
        for (user, wanted) in [("bob", 404), ("alice", 406), ("bob", 404), ("alice", 406)] {
            let status = call(envoy, &id, user).await;
            // The server answers what comes before `notifications/initialized` as it likes, but not 404.
            assert_eq!(status == 404, wanted == 404, "{user}: {status}");
        }
    }
    assert!(other.counter("stranger").await == 2 && opener.counter("stranger").await == 2);
    let getex = setup.redis.calls("getex").await;
    assert_eq!(getex, 1, "alice's use through the other Envoy, none of bob's");

    // An Envoy that is not told where subjects come from serves nobody's session to anybody.
    let untold = Envoy::start(&example).await.expect("Envoy starts");
    assert_eq!(call(&untold, &id, "alice").await, 404);
    let nobodys = open(&untold).await;
    assert_eq!(call(&other, &nobodys, "bob").await, 200, "that of nobody is anybody's");
}
