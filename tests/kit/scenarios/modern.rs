//! MCP 2026-07-28 and later, the era without sessions.

use http::Method;

use super::{count, open, serves};
use crate::client::Ask;
use crate::driver::{Driver, Scene};

const VERSION: &str = "2026-07-28";

/// A call of a tool as a client of that version makes it.
fn call(tool: &'static str) -> Ask {
    let ask = Ask::tool(tool).header("mcp-protocol-version", VERSION);
    ask.header("mcp-method", "tools/call").header("mcp-name", tool)
}

fn refusing<D: Driver>(driver: impl FnOnce(Scene) -> D) -> D {
    driver(Scene {
        configure: |plugin| plugin["modern"]["era"] = "refuse".into(),
        ..Scene::default()
    })
}

pub fn a_refused_era_is_answered_400_with_nothing<D: Driver>(driver: impl FnOnce(Scene) -> D) {
    let mut driver = refusing(driver);
    let session = open(&mut driver);
    let grpc = Ask::new(Method::POST, "{}").header("content-type", "application/grpc");
    let asks = [
        ("a call", call("count")),
        ("with a session", call("count").session(&session.id)),
        ("with an id that breaks the rules", call("count").session("")),
        ("a later version", Ask::tool("count").header("mcp-protocol-version", "2027-03-01")),
        ("no version at all", Ask::tool("count").header("mcp-protocol-version", "draft")),
        ("one of each era", call("count").header("mcp-protocol-version", "2025-06-18")),
        ("which Envoy would answer in another form", grpc.header("mcp-protocol-version", VERSION)),
    ];
    let sent = asks.len() as u64;
    for (about, ask) in asks {
        let got = driver.send(ask);
        assert_eq!((got.status.as_u16(), got.body.as_slice()), (400, &b""[..]), "{about}");
        assert_eq!((got.header("content-type"), got.header("mcp-session-id")), (None, None));
        assert_eq!(driver.noted().0, "era_refused", "{about}");
    }
    assert_eq!((driver.counter("era_refused"), driver.counter("sessionless")), (sent, 0));
    assert_eq!(count(&mut driver, &session), 1, "none of these reached the session");
}

pub fn what_a_refused_era_leaves_is_served_as_ever<D: Driver>(driver: impl FnOnce(Scene) -> D) {
    let mut driver = refusing(driver);
    for version in ["", "2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"] {
        let got = driver.send(Ask::tool("count").header("mcp-protocol-version", version));
        assert!(got.pod.is_some(), "{version:?}");
    }
    for ask in [Ask::get(), Ask::delete(), Ask::tool("count").at("/other")] {
        let got = driver.send(ask.header("mcp-protocol-version", VERSION));
        assert!(got.pod.is_some(), "it opens nothing");
    }
    serves(&mut driver);
    assert_eq!(driver.counter("era_refused"), 0);
}
