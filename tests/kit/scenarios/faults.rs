//! Answers that an honest server of today does not give, but one in the field might.

use http::Response;
use serde_json::json;

use super::is_session_not_found;
use crate::client::Ask;
use crate::driver::{Driver, Scene};
use crate::pods::{App, Seen};

fn script<D: Driver>(
    driver: impl FnOnce(Scene) -> D,
    response: fn(&Seen) -> Response<String>,
) -> D {
    driver(Scene { pods: App::Script(response), ..Scene::default() })
}

fn response(status: u16, id: &str, body: &str) -> Response<String> {
    Response::builder()
        .status(status)
        .header("content-type", "application/json")
        .header("mcp-session-id", id)
        .body(body.to_owned())
        .unwrap()
}

const RESULT: &str = r#"{"jsonrpc":"2.0","id":0,"result":{}}"#;

pub fn a_failure_with_a_fresh_id_binds_nothing<D: Driver>(driver: impl FnOnce(Scene) -> D) {
    let mut driver = script(driver, |_| response(400, "fresh", r#"{"error":{}}"#));
    let got = driver.send(Ask::initialize());
    assert_eq!((got.status.as_u16(), got.header("mcp-session-id")), (400, Some("fresh")));
    assert_eq!(driver.noted().0, "not_bound");
    is_session_not_found(&driver.send(Ask::tool("count").session("fresh")));
}

pub fn an_error_in_a_success_undoes_the_binding<D: Driver>(driver: impl FnOnce(Scene) -> D) {
    // A server that refuses a session does not know it.
    let mut driver = script(driver, |seen| match seen.headers.get("mcp-session-id") {
        Some(_) => response(404, "fresh", ""),
        None => response(200, "fresh", r#"{"jsonrpc":"2.0","id":0,"error":{"code":-32602}}"#),
    });
    let got = driver.send(Ask::initialize());
    assert_eq!(got.message()["error"]["code"], json!(-32602), "the client sees the error");
    assert_eq!(driver.noted().0, "undone");
    assert_eq!(driver.counter("undone"), 1);
    is_session_not_found(&driver.send(Ask::tool("count").session("fresh")));
    // With a Redis another worker thread learns of it by way of that, or else from the pod.
    let decision = driver.noted().0;
    assert!(["unknown", "lost"].contains(&decision.as_str()), "{decision}");
}

pub fn an_answer_in_json_binds_as_well<D: Driver>(driver: impl FnOnce(Scene) -> D) {
    let mut driver = script(driver, |_| response(200, "fresh", RESULT));
    let opened = driver.send(Ask::initialize()).ordinal();
    for _ in 0..6 {
        assert_eq!(driver.send(Ask::tool("count").session("fresh")).ordinal(), opened);
    }
}

pub fn another_method_with_a_fresh_id_binds_nothing<D: Driver>(driver: impl FnOnce(Scene) -> D) {
    let mut driver = script(driver, |_| response(200, "fresh", RESULT));
    let got = driver.send(Ask::tool("count"));
    assert_eq!((got.status.as_u16(), got.body), (200, RESULT.as_bytes().to_vec()));
    is_session_not_found(&driver.send(Ask::tool("count").session("fresh")));
    assert_eq!((driver.counter("bound"), driver.counter("not_bound")), (0, 1));
}

pub fn a_refused_delete_keeps_the_session<D: Driver>(driver: impl FnOnce(Scene) -> D) {
    let mut driver = script(driver, |seen| match seen.method.as_str() {
        "DELETE" => response(405, "fresh", ""),
        _ => response(200, "fresh", RESULT),
    });
    let opened = driver.send(Ask::initialize()).ordinal();
    assert_eq!(driver.send(Ask::delete().session("fresh")).status, 405);
    assert_eq!(driver.noted().0, "end_refused");
    assert_eq!(driver.send(Ask::tool("count").session("fresh")).ordinal(), opened);
}

/// A server without GET streams, and without a route for GET.
pub fn a_404_to_a_get_is_passed_and_keeps_the_session<D: Driver>(driver: impl FnOnce(Scene) -> D) {
    let mut driver = script(driver, |seen| match seen.method.as_str() {
        "GET" => response(404, "fresh", "Cannot GET /mcp"),
        _ => response(200, "fresh", RESULT),
    });
    let opened = driver.send(Ask::initialize()).ordinal();
    let got = driver.send(Ask::get().session("fresh"));
    assert_eq!((got.status.as_u16(), got.body), (404, b"Cannot GET /mcp".to_vec()));
    assert_eq!(driver.send(Ask::tool("count").session("fresh")).ordinal(), opened);
    assert_eq!(driver.counter("lost"), 0);
}

pub fn a_bad_id_of_a_pod_binds_nothing<D: Driver>(driver: impl FnOnce(Scene) -> D) {
    let mut driver = script(driver, |_| response(200, "not an id", RESULT));
    assert_eq!(driver.send(Ask::initialize()).status, 200);
    assert_eq!(driver.noted().0, "bad_id_of_pod");
    assert_eq!(driver.send(Ask::tool("count").session("not an id")).status, 400);
    assert_eq!((driver.counter("bad_id_of_pod"), driver.counter("bound")), (1, 0));
}

pub fn an_id_in_use_on_another_pod_is_not_handed_out<D: Driver>(driver: impl FnOnce(Scene) -> D) {
    let mut driver = script(driver, |_| response(200, "always-the-same", RESULT));
    let owner = driver.send(Ask::initialize()).ordinal();
    let mut refused = 0;
    for _ in 0..30 {
        let got = driver.send(Ask::initialize());
        match got.ordinal() == owner {
            true => assert_eq!(got.status, 200),
            false => {
                assert_eq!(got.status, 503);
                assert_eq!(got.header("retry-after"), Some("1"));
                assert_eq!(got.header("mcp-session-id"), None);
                refused += 1;
            }
        }
        let used = driver.send(Ask::tool("count").session("always-the-same"));
        assert_eq!(used.ordinal(), owner);
    }
    assert!(refused > 0);
    assert_eq!(driver.counter("id_taken"), refused);
}

/// A server that answers browsers by itself.
fn allows_its_origin(status: u16, body: &str) -> Response<String> {
    Response::builder()
        .status(status)
        .header("content-type", "text/plain")
        .header("mcp-session-id", "fresh")
        .header("access-control-allow-origin", "https://app.example")
        .header("set-cookie", "a=1")
        .header("set-cookie", "b=2")
        .body(body.to_owned())
        .unwrap()
}

pub fn a_replaced_response_keeps_the_pods_other_headers<D: Driver>(
    driver: impl FnOnce(Scene) -> D,
) {
    let mut driver = script(driver, |seen| match seen.headers.contains_key("mcp-session-id") {
        true => allows_its_origin(404, &"no such session ".repeat(5000)),
        false => response(200, "fresh", RESULT),
    });
    is_replaced(&mut driver);
}

pub fn a_replaced_response_without_a_body_keeps_the_pods_other_headers<D: Driver>(
    driver: impl FnOnce(Scene) -> D,
) {
    let mut driver = script(driver, |seen| match seen.headers.contains_key("mcp-session-id") {
        true => allows_its_origin(404, ""),
        false => response(200, "fresh", RESULT),
    });
    is_replaced(&mut driver);
}

fn is_replaced(driver: &mut impl Driver) {
    driver.send(Ask::initialize());
    let got = driver.send(Ask::tool("count").session("fresh"));
    is_session_not_found(&got);
    assert_eq!(got.header("access-control-allow-origin"), Some("https://app.example"));
    let cookies: Vec<_> = got.headers.get_all("set-cookie").iter().collect();
    assert_eq!(cookies, ["a=1", "b=2"]);
    assert_eq!(driver.noted().0, "lost");
}
