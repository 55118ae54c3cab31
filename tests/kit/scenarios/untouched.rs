//! What is not ours arrives as it was sent, and what must not arrive does not.

use std::collections::HashSet;

use http::HeaderMap;
use serde_json::json;

use super::{count, is_session_not_found, open, plain};
use crate::client::{Ask, Got};
use crate::driver::{Driver, Scene};
use crate::pods::App;

/// An address that no pod has.
const NOWHERE: &str = "127.0.0.1:1";

pub fn the_authority_is_left_alone<D: Driver>(driver: impl FnOnce(Scene) -> D) {
    let mut driver = driver(Scene { pods: App::StatefulFor("mcp.example"), ..Scene::default() });
    for _ in 0..6 {
        let session = open(&mut driver);
        assert_eq!(count(&mut driver, &session), 1);
        let got = driver.send(Ask::tool("count").session(&session.id));
        let (_, seen) = got.pod.unwrap();
        assert_eq!(seen.headers["host"], "mcp.example");
        assert!(!seen.headers.contains_key("x-forwarded-host"));
    }
    is_session_not_found(&driver.send(Ask::tool("count").session("forged")));
}

pub fn a_bad_session_id_is_answered_400_and_goes_nowhere<D: Driver>(
    driver: impl FnOnce(Scene) -> D,
) {
    let mut driver = plain(driver);
    let session = open(&mut driver);
    let long = vec![b'x'; 8 * 1024];
    let bad = [
        ("not ASCII", vec![&b"\xff"[..]]),
        ("a space within", vec![b"a b"]),
        ("nothing", vec![b""]),
        ("8 KB", vec![&long]),
        ("two", vec![b"a", b"b"]),
        ("one that is bound, twice", vec![session.id.as_bytes(), session.id.as_bytes()]),
    ];
    for (about, ids) in &bad {
        for ask in [Ask::tool("count"), Ask::get(), Ask::delete()] {
            let got = driver.send(ids.iter().fold(ask, |ask, id| ask.session(id)));
            assert_eq!(got.status, 400, "{about}");
            assert_eq!(got.header("content-type"), Some("application/json"));
            assert_eq!(got.message()["error"]["code"], json!(-32600), "{about}");
            assert!(got.pod.is_none(), "{about}");
        }
    }
    assert_eq!(driver.counter("bad_session_id"), 3 * bad.len() as u64);
    assert_eq!(count(&mut driver, &session), 1);
}

pub fn steering_headers_of_a_client_are_removed<D: Driver>(driver: impl FnOnce(Scene) -> D) {
    let mut driver = plain(driver);
    let session = open(&mut driver);
    let smuggle = |ask: Ask| {
        ask.header("x-envoy-original-dst-host", NOWHERE)
            .header("x-podpin-host", NOWHERE)
            .header("x-podpin-endpoint", NOWHERE)
            .header("x-podpin-endpoint", "MTI3LjAuMC4xOjE=")
            .header("x-podpin-anything", "\u{e9}")
    };
    let asks = [
        ("of a session", Ask::tool("count").session(&session.id)),
        ("that opens one", Ask::initialize()),
        ("of 2026-07-28", Ask::tool("count").header("mcp-protocol-version", "2026-07-28")),
        ("elsewhere", Ask::get().at("/health")),
    ];
    let sent = asks.len() as u64;
    for (about, ask) in asks {
        let (_, seen) = driver.send(smuggle(ask)).pod.expect(about);
        for (name, value) in &seen.headers {
            let steers =
                name == "x-envoy-original-dst-host" || name.as_str().starts_with("x-podpin");
            // There may be one of the filter's own.
            let is_clients = name == "x-podpin-anything"
                || [NOWHERE, "MTI3LjAuMC4xOjE="].iter().any(|sent| value == sent);
            assert!(!steers || !is_clients, "{about}: {name}");
        }
    }
    assert_eq!(driver.counter("stripped"), sent);
    assert_eq!(count(&mut driver, &session), 2);
}

pub fn a_request_of_2026_07_28_arrives_as_it_was_sent<D: Driver>(driver: impl FnOnce(Scene) -> D) {
    let mut driver = plain(driver);
    let session = open(&mut driver);
    for stray in [None, Some("forged"), Some(session.id.as_str()), Some("")] {
        let asks = (0..6).map(|_| {
            let ask = Ask::tool("whoami")
                .header("mcp-protocol-version", "2026-07-28")
                .header("mcp-method", "tools/call")
                .header("mcp-name", "whoami");
            stray.iter().fold(ask, |ask, id| ask.session(id))
        });
        arrive_as_sent_and_balanced(&mut driver, asks, "sessionless");
    }
}

pub fn a_request_elsewhere_arrives_as_it_was_sent<D: Driver>(driver: impl FnOnce(Scene) -> D) {
    let mut driver = plain(driver);
    let ask = Ask::tool("count").at("/elsewhere").session("\u{e9}").session("two");
    arrive_as_sent_and_balanced(&mut driver, (0..6).map(|_| ask.clone()), "elsewhere");
}

pub fn a_request_that_cannot_open_a_session_arrives_as_it_was_sent<D: Driver>(
    driver: impl FnOnce(Scene) -> D,
) {
    let mut driver = plain(driver);
    for ask in [Ask::get(), Ask::delete()] {
        arrive_as_sent_and_balanced(&mut driver, (0..6).map(|_| ask.clone()), "no_session");
    }
}

pub fn a_server_without_sessions_is_left_alone<D: Driver>(driver: impl FnOnce(Scene) -> D) {
    let mut driver = driver(Scene { pods: App::Stateless, ..Scene::default() });
    for _ in 0..6 {
        let got = driver.send(Ask::initialize());
        assert_eq!(got.status, 200);
        assert_eq!(got.header("mcp-session-id"), None);
        let got = driver.send(Ask::tool("count"));
        assert_eq!(got.text(), "1");
    }
    assert_eq!((driver.counter("bound"), driver.counter("not_bound")), (0, 12));
}

/// Each request reaches a pod with the headers and the body it was sent with, and Envoy's own
/// balancing picks the pods: all of them in turn.
fn arrive_as_sent_and_balanced(
    driver: &mut impl Driver,
    asks: impl Iterator<Item = Ask>,
    decision: &str,
) {
    let before = driver.counter(decision);
    let mut pods = HashSet::new();
    let mut sent = 0;
    for ask in asks {
        let got = driver.send(ask.clone());
        // Nothing is noted about what is none of the workload's requests.
        let noted = if decision == "elsewhere" { "-" } else { decision };
        assert_eq!(driver.noted(), (noted.to_owned(), "-".to_owned()));
        arrived_as_sent(&ask, &got);
        pods.insert(got.ordinal());
        sent += 1;
    }
    assert_eq!(driver.counter(decision), before + sent);
    assert_eq!(pods, [0, 1, 2].into());
}

fn arrived_as_sent(ask: &Ask, got: &Got) {
    let (_, seen) = got.pod.as_ref().expect("the request reached a pod");
    assert_eq!(seen.method, ask.method);
    assert_eq!(seen.uri.to_string(), ask.path);
    assert_eq!(seen.body, ask.body);
    let values = |headers: &HeaderMap, name| {
        headers.get_all(name).iter().map(|value| value.as_bytes().to_vec()).collect::<Vec<_>>()
    };
    for name in ask.headers.keys() {
        assert_eq!(values(&seen.headers, name), values(&ask.headers, name), "{name}");
    }
    assert_eq!(seen.headers["host"], "mcp.example");
}
