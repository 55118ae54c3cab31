//! MCP 2026-07-28 and later, the era without sessions.

use std::collections::BTreeSet;

use http::{Method, Response};
use serde_json::{Value, json};

use super::{count, open, serves};
use crate::STATEFUL_SET;
use crate::client::Ask;
use crate::driver::{Driver, Scene};
use crate::pods::{App, Seen};

const VERSION: &str = "2026-07-28";

/// A call of a tool as a client of that version makes it.
pub fn call(tool: &'static str) -> Ask {
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
    for version in ["", "2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"] {
        let got = driver.send(Ask::tool("count").header("mcp-protocol-version", version));
        assert!(got.pod.is_some(), "{version:?}");
    }
    for ask in [Ask::get(), Ask::delete(), Ask::tool("count").at("/other")] {
        let got = driver.send(ask.header("mcp-protocol-version", VERSION));
        assert!(got.pod.is_some(), "it opens nothing");
    }
    serves(&mut driver);
    assert_eq!(driver.counter("era_refused"), sent);
}

/// A server whose answers tell for which request they are, and by which `Host` it came.
pub fn echo(seen: &Seen) -> Response<String> {
    let message: Value = serde_json::from_slice(&seen.body).unwrap_or_default();
    let host = seen.headers.get("host").and_then(|host| host.to_str().ok());
    let answer = json!({"jsonrpc": "2.0", "id": message["id"], "result": {"host": host}});
    let response = Response::builder().header("content-type", "application/json");
    response.body(answer.to_string()).unwrap()
}

fn keyed<D: Driver>(driver: impl FnOnce(Scene) -> D, configure: fn(&mut Value)) -> D {
    driver(Scene { pods: App::Script(echo), configure, ..Scene::default() })
}

/// Who a request is from.
const USER: &str = "x-user";

/// So many that each pod has one, whatever the scope, by which they are spread as well.
const USERS: usize = 24;

/// The pod that answers a call, as is right for its request.
fn pod_of(driver: &mut impl Driver, ask: Ask) -> usize {
    let sent: Value = serde_json::from_slice(&ask.body).unwrap();
    let got = driver.send(ask);
    assert_eq!((got.status.as_u16(), &got.message()["id"]), (200, &sent["id"]));
    got.ordinal()
}

/// The pods of some users, each of whom has called a few times.
fn pods_of(driver: &mut impl Driver, users: usize) -> Vec<usize> {
    let each = (0..users).map(|user| {
        let pod = pod_of(driver, call("a").header(USER, user.to_string()));
        for _ in 0..3 {
            assert_eq!(pod_of(driver, call("a").header(USER, user.to_string())), pod);
            assert_eq!(driver.noted(), ("keyed".to_owned(), driver.place(pod)));
        }
        pod
    });
    each.collect()
}

pub fn a_key_keeps_its_pod<D: Driver>(driver: impl FnOnce(Scene) -> D) {
    let mut driver = keyed(driver, |plugin| {
        plugin["modern"]["affinity"] = json!([{"key": {"header": USER}}]);
    });
    let pods = pods_of(&mut driver, USERS);
    assert_eq!(BTreeSet::from_iter(pods.clone()), [0, 1, 2].into());
    let sent = call("a").header(USER, "=?base64?Nw==?=").session("stray");
    let got = driver.send(sent.clone());
    assert_eq!(got.ordinal(), pods[7], "it is written in another way");
    let (_, seen) = got.pod.unwrap();
    for (name, value) in sent.headers.iter().filter(|(name, _)| *name != "host") {
        assert_eq!(seen.headers.get(name), Some(value), "{name}");
    }
    assert_eq!(seen.body, sent.body);
    assert_eq!(driver.counter("keyed"), USERS as u64 * 4 + 1);
    for (about, ask) in [
        ("no key", call("a")),
        ("two", call("a").header(USER, "1").header(USER, "1")),
        ("an empty one", call("a").header(USER, "")),
        ("one that is too long", call("a").header(USER, "x".repeat(513))),
        ("not the method", Ask::get().header("mcp-protocol-version", VERSION).header(USER, "1")),
    ] {
        assert!(driver.send(ask).pod.is_some(), "{about}");
        assert_eq!(driver.noted(), ("sessionless".to_owned(), "-".to_owned()), "{about}");
    }
    driver.send(Ask::initialize().header(USER, "1"));
    assert_eq!(driver.noted().0, "not_bound", "with sessions nothing changes");
}

pub fn a_remembered_key_keeps_its_pod<D: Driver>(driver: impl FnOnce(Scene) -> D) {
    let mut driver = keyed(driver, |plugin| {
        plugin["modern"]["affinity"] = json!([{"key": {"header": USER}, "remember": true}]);
    });
    let pods = pods_of(&mut driver, USERS);
    assert_eq!(BTreeSet::from_iter(pods.clone()), [0, 1, 2].into());
    assert_eq!(pods_of(&mut driver, USERS), pods);
    let by_name = driver.place(0).starts_with(STATEFUL_SET);
    // Where the proxy picks, the first response tells.
    let learned = if by_name { 0 } else { USERS as u64 };
    assert_eq!((driver.counter("learned"), driver.counter("untracked")), (learned, learned));
    assert_eq!(driver.counter("keyed"), USERS as u64 * 8 - learned);
}

pub fn a_key_whose_pod_is_gone_goes_to_another<D: Driver>(driver: impl FnOnce(Scene) -> D) {
    let mut driver = keyed(driver, |plugin| {
        let remembered = json!({"key": {"header": USER}, "remember": true});
        let by_hash = json!({"key": {"header": "x-talk"}});
        plugin["modern"]["affinity"] = json!([remembered, by_hash]);
    });
    let (users, gone) = (pods_of(&mut driver, USERS), 1);
    let talk = |number: usize| call("a").header("x-talk", number.to_string());
    let talks: Vec<_> = (0..USERS).map(|number| pod_of(&mut driver, talk(number))).collect();
    driver.stop(gone);
    let first = users.iter().position(|pod| *pod == gone).expect("a user of each pod");
    is_to_be_sent_again(&mut driver, call("a").header(USER, first.to_string()));
    for (before, after) in [
        (users, pods_of(&mut driver, USERS)),
        (talks, (0..USERS).map(|number| pod_of(&mut driver, talk(number))).collect()),
    ] {
        for (before, after) in before.into_iter().zip(after) {
            assert!(after != gone && (before == gone || before == after), "{before} to {after}");
        }
    }
    assert_eq!((driver.counter("ejected"), driver.counter("unreachable")), (1, 0));
    assert_eq!(driver.counter("sent_again"), 1);
}

pub fn a_key_whose_endpoint_is_gone_goes_to_another<D: Driver>(driver: impl FnOnce(Scene) -> D) {
    let mut driver = keyed(driver, |plugin| {
        plugin["modern"]["affinity"] = json!([{"key": {"header": USER}, "remember": true}]);
    });
    let (before, gone) = (pods_of(&mut driver, 12), 1);
    driver.stop(gone);
    let first = before.iter().position(|pod| *pod == gone).expect("a user of each pod");
    is_to_be_sent_again(&mut driver, call("a").header(USER, first.to_string()));
    let after = pods_of(&mut driver, 12);
    for (before, after) in before.into_iter().zip(&after) {
        assert!(*after != gone && (before == gone || before == *after), "{before} to {after}");
    }
    assert_eq!(pods_of(&mut driver, 12), after);
    assert_eq!((driver.counter("sent_again"), driver.counter("unreachable")), (1, 0));
}

/// Nobody knew yet that its pod is gone.
fn is_to_be_sent_again(driver: &mut impl Driver, ask: Ask) {
    let got = driver.send(ask);
    assert_eq!((got.status.as_u16(), got.body.as_slice()), (307, &b""[..]));
    assert_eq!((got.header("location"), got.header("content-type")), (Some("#"), None));
    assert!(got.pod.is_none());
    assert_eq!(driver.noted().0, "sent_again");
}

pub fn a_pod_that_a_value_names_is_reached<D: Driver>(driver: impl FnOnce(Scene) -> D) {
    let mut driver = keyed(driver, |plugin| {
        let named = json!({"pod_in": {"header": "mcp-param-cart"}});
        plugin["modern"]["affinity"] = json!([named, {"key": {"header": USER}}]);
    });
    let of = |cart: String| call("a").header("mcp-param-cart", cart);
    for pod in [0, 1, 2, 1, 0] {
        assert_eq!(pod_of(&mut driver, of(format!("{STATEFUL_SET}-{pod}.5f0c"))), pod);
        assert_eq!(pod_of(&mut driver, of(format!("5f0c.{STATEFUL_SET}-{pod}"))), pod);
        assert_eq!(driver.noted(), ("keyed".to_owned(), driver.place(pod)));
    }
    for cart in [format!("{STATEFUL_SET}-3.5f0c"), format!("{STATEFUL_SET}-1a"), "5f0c".to_owned()]
    {
        pod_of(&mut driver, of(cart));
        assert_eq!(driver.noted().0, "sessionless");
    }
    driver.stop(1);
    let lost = || of(format!("{STATEFUL_SET}-1.5f0c"));
    is_to_be_sent_again(&mut driver, lost());
    assert_ne!(pod_of(&mut driver, lost().header(USER, "a")), 1);
    assert_eq!(driver.noted().0, "keyed", "the next rule has a key");
    assert_ne!(pod_of(&mut driver, lost()), 1);
    assert_eq!(driver.noted().0, "untracked");
}

/// A server that makes a task of every call, but of those of a tool `plain`, and says so in the form that the
/// tool's name asks for.
pub fn tasks(seen: &Seen) -> Response<String> {
    let message: Value = serde_json::from_slice(&seen.body).unwrap_or_default();
    let (id, tool) = (&message["id"], message["params"]["name"].as_str().unwrap_or_default());
    let result = match message["method"].as_str() {
        Some("tools/call") if tool != "plain" => json!({
            "taskId": format!("task-{id}"), "status": "working", "ttlMs": null,
            "_meta": {"a": [{"taskId": "no"}]}, "resultType": "task",
        }),
        _ => json!({"resultType": "complete", "content": []}),
    };
    let answer = json!({"jsonrpc": "2.0", "id": id, "result": result}).to_string();
    let response = Response::builder();
    let response = match tool {
        "stream" => {
            let notification = json!({"jsonrpc": "2.0", "method": "notifications/progress"});
            let stream = format!(": ping\n\ndata: {notification}\n\ndata: {answer}\n\n");
            response.header("content-type", "text/event-stream").body(stream)
        }
        "gzip" => {
            let response = response.header("content-encoding", "gzip");
            response.header("content-type", "application/json").body(answer)
        }
        _ => response.header("content-type", "application/json").body(answer),
    };
    response.unwrap()
}

/// A request about a task, which is yet to be named.
pub fn about_task(method: &str) -> Ask {
    let message = json!({"jsonrpc": "2.0", "id": 1, "method": method});
    Ask::post(message).header("mcp-protocol-version", VERSION).header("mcp-method", method)
}

pub fn a_task_keeps_its_pod<D: Driver>(driver: impl FnOnce(Scene) -> D) {
    let configure: fn(&mut Value) = |plugin| {
        plugin["modern"]["affinity"] = json!([{"task": {"id_header": "x-task"}}]);
    };
    let mut driver = driver(Scene { pods: App::Script(tasks), configure, ..Scene::default() });
    let made: Vec<_> = (0..36)
        .map(|number| {
            let got = driver.send(call(if number % 2 == 0 { "json" } else { "stream" }));
            assert_eq!(driver.noted(), ("learned".to_owned(), driver.place(got.ordinal())));
            let id = got.message()["result"]["taskId"].as_str().expect("a task").to_owned();
            (id, got.ordinal())
        })
        .collect();
    assert_eq!(made.iter().map(|(_, pod)| *pod).collect::<BTreeSet<_>>(), [0, 1, 2].into());
    let methods = ["tasks/get", "tasks/update", "tasks/cancel"].into_iter().cycle();
    for ((id, pod), method) in made.iter().zip(methods) {
        for name in ["mcp-name", "x-task"] {
            let got = driver.send(about_task(method).header(name, id));
            assert_eq!((got.status.as_u16(), got.ordinal()), (200, *pod), "{method} by {name}");
            assert_eq!(driver.noted(), ("steered".to_owned(), driver.place(*pod)));
        }
    }
    assert_eq!((driver.counter("learned"), driver.counter("steered")), (36, 36 * 2));
    for (ask, decision) in [
        (call("gzip"), "task_unread"),
        (about_task("tasks/get").header("mcp-name", "task-of-nobody"), "untracked"),
        (about_task("tasks/get"), "task_unnamed"),
        (about_task("tools/list"), "sessionless"),
    ] {
        assert!(driver.send(ask).pod.is_some(), "{decision}");
        assert_eq!(driver.noted().0, decision);
    }
    let plain = driver.send(call("plain"));
    assert_eq!(plain.message()["result"]["resultType"], "complete");
    assert!(["placed", "sessionless"].contains(&driver.noted().0.as_str()));
    assert_eq!(driver.counter("learned"), 36);
}
