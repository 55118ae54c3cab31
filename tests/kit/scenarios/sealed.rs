//! Sessions whose pins lie in their ids.

use std::thread;
use std::time::Duration;

use http::Response;
use serde_json::json;

use super::{count, is_session_not_found, open, plain};
use crate::client::Ask;
use crate::driver::{Driver, Scene, VirtualTime};
use crate::pods::{App, Seen};

/// What the pods of these scenarios call each session.
const THEIRS: &str = "theirs";

/// A server that names the session in each response, whatever that says.
fn names(seen: &Seen) -> Response<String> {
    let text = String::from_utf8_lossy(&seen.body).into_owned();
    let status = if text.contains("bad") { 400 } else { 200 };
    let id = if text.contains("another") { "another" } else { THEIRS };
    let mut response = Response::builder().status(status).header("mcp-session-id", id);
    if text.contains("twice") {
        response = response.header("mcp-session-id", "a-second-one");
    }
    let body = match status {
        200 => r#"{"jsonrpc":"2.0","id":0,"result":{}}"#,
        _ => r#"{"jsonrpc":"2.0","id":0,"error":{"code":-32602,"message":"no"}}"#,
    };
    response.header("content-type", "application/json").body(body.to_owned()).expect("a response")
}

/// An id as long as can be.
fn too_long(_: &Seen) -> Response<String> {
    let response = Response::builder().header("mcp-session-id", "x".repeat(257));
    let body = r#"{"jsonrpc":"2.0","id":0,"result":{}}"#.to_owned();
    response.header("content-type", "application/json").body(body).expect("a response")
}

pub fn a_client_has_its_own_id_wherever_the_pod_names_the_session<D: Driver>(
    driver: impl FnOnce(Scene) -> D,
) {
    let mut driver = driver(Scene { pods: App::Script(names), ..Scene::default() });
    let got = driver.send(Ask::initialize());
    let ordinal = got.ordinal();
    let id = got.header("mcp-session-id").expect("a session id").to_owned();
    assert!(!id.contains(THEIRS) && id.len() > 64, "{id}");
    assert_ne!(driver.send(Ask::initialize()).header("mcp-session-id"), Some(id.as_str()));
    for ask in [Ask::tool("good"), Ask::tool("bad"), Ask::tool("twice"), Ask::get()] {
        let got = driver.send(ask.session(&id));
        assert_eq!(got.ordinal(), ordinal);
        let named: Vec<_> = got.headers.get_all("mcp-session-id").iter().collect();
        assert_eq!(named, [&id]);
        let (_, seen) = got.pod.expect("a pod");
        assert_eq!(seen.headers["mcp-session-id"], THEIRS);
    }
    for tool in ["another", "another-twice"] {
        let got = driver.send(Ask::tool(tool).session(&id));
        assert_eq!((got.status.as_u16(), got.header("mcp-session-id")), (200, None));
    }
    is_session_not_found(&driver.send(Ask::tool("good").session(THEIRS)));
}

pub fn an_id_that_is_too_long_to_be_sealed_is_passed<D: Driver>(driver: impl FnOnce(Scene) -> D) {
    let mut driver = driver(Scene { pods: App::Script(too_long), ..Scene::default() });
    let got = driver.send(Ask::initialize());
    assert_eq!(got.header("mcp-session-id"), Some("x".repeat(257).as_str()));
    assert_eq!(driver.noted().0, "bad_id_of_pod");
    assert_eq!(driver.counter("bad_id_of_pod"), 1);
}

/// A stream or a call does not make it live longer, nor does silence end it.
pub fn a_sealed_session_ends_by_its_age_alone<D: VirtualTime>(driver: impl FnOnce(Scene) -> D) {
    let mut driver = plain(driver);
    let session = open(&mut driver);
    driver.advance(Duration::from_secs(24 * 3600 - 1));
    assert_eq!(count(&mut driver, &session), 1);
    driver.advance(Duration::from_secs(1));
    let got = driver.send(Ask::tool("count").session(&session.id));
    is_session_not_found(&got);
    assert!(got.pod.is_none());
    assert_eq!(driver.noted().0, "expired");
}

pub fn an_id_of_another_workload_is_unknown<D: Driver>(driver: impl Fn(Scene) -> D + Sync) {
    let opened = || {
        let mut other = driver(Scene {
            configure: |plugin| plugin["scope"] = json!("default/other"),
            ..Scene::default()
        });
        other.send(Ask::initialize()).header("mcp-session-id").expect("a session id").to_owned()
    };
    // A thread may be one worker.
    let theirs = thread::scope(|scope| scope.spawn(opened).join().expect("a session"));
    let mut driver = plain(driver);
    open(&mut driver);
    let got = driver.send(Ask::tool("count").session(&theirs));
    is_session_not_found(&got);
    assert!(got.pod.is_none());
    assert_eq!(driver.noted().0, "unknown");
}
