//! Streams pass event by event while calls of the same session run.

use kit::client::Session;
use kit::wait::within;
use serde_json::json;

/// A server that sends one more notification only after the client has said that it got the last.
#[tokio::test(flavor = "multi_thread")]
async fn each_event_reaches_the_client_before_the_next_is_sent() {
    let setup = super::setup().await;
    let mut session =
        Session::open(reqwest::Client::new(), &setup.envoy.url("/mcp")).await.unwrap();
    setup.envoy.counted("bound", 1).await;
    for number in 0..50 {
        let text = format!("event {number}");
        assert_eq!(session.call("notify", json!({"text": text})).await.unwrap(), "sent");
        let event = within("the event", session.notifications.recv()).await;
        assert_eq!(event, Some(text));
        assert_eq!(session.count().await.unwrap(), number + 1);
    }
    let gets = setup.pods.take_seen().into_iter().filter(|(_, seen)| seen.method == "GET");
    assert_eq!(gets.count(), 1, "one stream brought them all");
}
