//! Sessions that belong to somebody.

use http::{HeaderMap, StatusCode};
use serde_json::json;

use super::{count, is_session_not_found, open};
use crate::client::{Ask, Got};
use crate::driver::{Driver, Scene};

/// Says who a client is. In the field a filter before Podpin sets it; here it stands for that.
const USER: &str = "x-user";

fn bound<D: Driver>(driver: impl FnOnce(Scene) -> D) -> D {
    driver(Scene {
        configure: |plugin| plugin["session"]["bind_to"] = json!([{"header": USER}]),
        ..Scene::default()
    })
}

fn by(user: &str, ask: Ask) -> Ask {
    ask.header(USER, user)
}

/// The session of an `initialize` by somebody.
fn opened_by(driver: &mut impl Driver, user: &str) -> (String, usize) {
    let got = driver.send(by(user, Ask::initialize()));
    assert_eq!(got.status, 200);
    let id = got.header("mcp-session-id").expect("a session id").to_owned();
    let initialized = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
    let accepted = driver.send(by(user, Ask::post(initialized)).session(&id));
    assert_eq!((accepted.status.as_u16(), accepted.ordinal()), (202, got.ordinal()));
    (id, got.ordinal())
}

/// What a client sees of a response, but when it came, and whether its own body had come by then: a proxy
/// closes the connection if not.
fn seen(got: &Got) -> (StatusCode, HeaderMap, Vec<u8>) {
    let mut headers = got.headers.clone();
    for name in ["date", "connection"] {
        headers.remove(name);
    }
    (got.status, headers, got.body.clone())
}

pub fn a_session_is_served_to_who_opened_it_alone<D: Driver>(driver: impl FnOnce(Scene) -> D) {
    let mut driver = bound(driver);
    let (id, ordinal) = opened_by(&mut driver, "alice");
    // One as the client's own would be, so that the two are told apart by nothing but that.
    let (mut other, _) = opened_by(&mut driver, "alice");
    other.replace_range(6.., &"A".repeat(other.len() - 6));
    let mut strangers = 0;
    for user in [Some("bob"), None] {
        let ask = |ask: Ask| match user {
            Some(user) => by(user, ask),
            None => ask,
        };
        for request in [Ask::tool("count"), Ask::get(), Ask::delete(), Ask::initialize()] {
            let got = driver.send(ask(request.clone()).session(&id));
            is_session_not_found(&got);
            assert!(got.pod.is_none());
            assert_eq!(driver.noted(), ("stranger".into(), "-".into()));
            strangers += 1;
            let unknown = driver.send(ask(request).session(&other));
            assert_eq!(driver.noted().0, "unknown");
            assert_eq!(seen(&got), seen(&unknown), "nothing says that there is such a session");
        }
    }
    assert_eq!(driver.counter("stranger"), strangers);
    let got = driver.send(by("alice", Ask::tool("count")).session(&id));
    assert_eq!(
        (got.ordinal(), got.text().as_str()),
        (ordinal, "1"),
        "nobody has used it meanwhile"
    );
    assert_eq!(driver.counter("ended") + driver.counter("lost"), 0);
}

pub fn a_session_of_nobody_is_served_to_anybody<D: Driver>(driver: impl FnOnce(Scene) -> D) {
    let mut driver = bound(driver);
    let session = open(&mut driver);
    assert_eq!(count(&mut driver, &session), 1);
    let got = driver.send(by("alice", Ask::tool("count")).session(&session.id));
    assert_eq!(got.text(), "2");
    assert_eq!(driver.counter("stranger"), 0);
}

pub fn nobody_opens_a_session_where_a_subject_is_required<D: Driver>(
    driver: impl FnOnce(Scene) -> D,
) {
    let mut driver = driver(Scene {
        configure: |plugin| {
            plugin["session"]["bind_to"] = json!([{"header": USER}]);
            plugin["session"]["require_subject"] = json!(true);
        },
        ..Scene::default()
    });
    for ask in [Ask::initialize(), Ask::initialize().header(USER, ""), Ask::tool("count")] {
        let got = driver.send(ask);
        assert_eq!(got.status, 403);
        assert!(got.pod.is_none());
        assert_eq!(got.message()["error"]["code"], json!(-32600));
        assert_eq!(driver.noted().0, "no_subject");
    }
    assert_eq!(driver.counter("no_subject"), 3);
    let (id, ordinal) = opened_by(&mut driver, "alice");
    let got = driver.send(by("alice", Ask::tool("count")).session(&id));
    assert_eq!(got.ordinal(), ordinal);
}

/// Servers differ in how they read a path and its query, so nothing that may name a session gets by.
pub fn no_spelling_leads_to_a_session_of_another<D: Driver>(driver: impl FnOnce(Scene) -> D) {
    let mut driver = bound(driver);
    let (id, _) = opened_by(&mut driver, "alice");
    for path in ["/MCP", "/%6dcp", "//mcp", "/a/../mcp", "/mcp/."] {
        let got = driver.send(by("bob", Ask::tool("count")).session(&id).at(path));
        if let Some((_, seen)) = got.pod {
            assert!(!seen.headers.contains_key("mcp-session-id"), "{path}");
        }
    }
    let elsewhere = driver.send(by("bob", Ask::get()).session(&id).at("/another"));
    let (_, seen) = elsewhere.pod.expect("it goes to a pod");
    assert_eq!(seen.headers["mcp-session-id"], id.as_str(), "it is none of ours");
    let count = by("alice", Ask::tool("count")).session(&id);
    assert_eq!(driver.send(count).text(), "1");
}

/// Some servers serve GET and DELETE of a session whatever the version says.
pub fn an_era_without_sessions_does_not_use_those_of_subjects<D: Driver>(
    driver: impl FnOnce(Scene) -> D,
) {
    let mut driver = bound(driver);
    let (id, _) = opened_by(&mut driver, "alice");
    for ask in [Ask::tool("count"), Ask::get(), Ask::delete()] {
        let modern = ask.session(&id).header("mcp-protocol-version", "2026-07-28");
        let got = driver.send(by("bob", modern));
        assert_eq!(driver.noted().0, "sessionless");
        let (_, seen) = got.pod.expect("it goes to a pod");
        assert!(!seen.headers.contains_key("mcp-session-id"));
        assert_eq!(seen.headers["mcp-protocol-version"], "2026-07-28");
    }
}
