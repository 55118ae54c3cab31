//! Sessions of HTTP+SSE, each of which is a stream.

use serde_json::json;

use super::is_session_not_found;
use crate::client::Ask;
use crate::driver::{Driver, Scene};
use crate::pods::App;

fn streamed<D: Driver>(driver: impl FnOnce(Scene) -> D) -> D {
    driver(Scene { pods: App::Sse, ..Scene::default() })
}

/// Opens a session: where its messages go, and its pod.
fn open(driver: &mut impl Driver) -> (String, usize) {
    let (got, event) = driver.listen(Ask::get().at("/sse"));
    assert_eq!(got.status, 200);
    let uri = event.lines().find_map(|line| line.strip_prefix("data: ")).expect("a URI");
    (uri.to_owned(), got.ordinal())
}

fn message(uri: &str) -> Ask {
    Ask::post(json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).at(uri)
}

pub fn messages_reach_the_pod_of_their_stream<D: Driver>(driver: impl FnOnce(Scene) -> D) {
    let mut driver = streamed(driver);
    let mut pods = std::collections::BTreeSet::new();
    // Each stream ends before the next begins.
    for _ in 0..12 {
        let (uri, ordinal) = open(&mut driver);
        for _ in 0..3 {
            let got = driver.send(message(&uri));
            assert_eq!((got.status.as_u16(), got.ordinal()), (202, ordinal));
            assert_eq!(got.body, b"Accepted");
        }
        pods.insert(ordinal);
        driver.hang_up();
    }
    assert!(pods.len() > 1, "{pods:?}");
    assert_eq!((driver.counter("bound"), driver.counter("lost")), (12, 0));
}

pub fn a_session_of_sse_ends_with_its_stream<D: Driver>(driver: impl FnOnce(Scene) -> D) {
    let mut driver = streamed(driver);
    let (uri, _) = open(&mut driver);
    assert_eq!(driver.send(message(&uri)).status, 202);
    driver.hang_up();
    driver.counts_to("ended", 1);
    let mut got = driver.send(message(&uri));
    // A Redis may have yet to hear of the end, and by Envoy 1.36 what was looked up there is not steered
    // with `dynamic_host` before the next request.
    if got.status == 503 && driver.noted().0 == "steering_refused" {
        assert_eq!(got.header("retry-after"), Some("1"));
        got = driver.send(message(&uri));
    }
    is_session_not_found(&got);
}

/// One real server would never answer.
pub fn a_message_of_an_unknown_session_is_answered_404_at_once<D: Driver>(
    driver: impl FnOnce(Scene) -> D,
) {
    let mut driver = streamed(driver);
    for uri in ["/messages/?session_id=nobodys", "/message?sessionId=nobodys", "/sse?sessionid=x"] {
        let got = driver.send(message(uri));
        is_session_not_found(&got);
        assert!(got.pod.is_none(), "{uri}");
    }
    let got = driver.send(message("/messages/?session_id="));
    assert_eq!((got.status.as_u16(), got.pod.is_none()), (400, true));
}

/// However its message names the session.
pub fn a_stream_is_for_who_opened_it_alone<D: Driver>(driver: impl FnOnce(Scene) -> D) {
    let mut driver = driver(Scene {
        pods: App::Sse,
        configure: |plugin| plugin["session"]["bind_to"] = json!([{"header": "x-user"}]),
        ..Scene::default()
    });
    let (got, event) = driver.listen(Ask::get().at("/sse").header("x-user", "alice"));
    assert_eq!(got.status, 200);
    let uri = event.lines().find_map(|line| line.strip_prefix("data: ")).expect("a URI").to_owned();
    let id = uri.split('=').nth(1).expect("an id");
    for (uri, wanted) in [
        (uri.clone(), 404),
        (format!("/messages/?session%5Fid={id}"), 404),
        (format!("/messages/?SESSION_ID={id}"), 404),
        (format!("/messages/?session_id=bobs&session_id={id}"), 400),
        (format!("/messages/?sessionId=bobs&session_id={id}"), 400),
        (format!("/Messages/?session_id={id}"), 404),
        ("/messages/".to_owned(), 404),
    ] {
        let got = driver.send(message(&uri).header("x-user", "bob"));
        assert_eq!((got.status.as_u16(), got.pod.is_none()), (wanted, true), "{uri}");
    }
    assert_eq!(driver.send(message(&uri).header("x-user", "alice")).status, 202);
    driver.hang_up();
}
