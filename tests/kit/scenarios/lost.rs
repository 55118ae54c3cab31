//! Pods that lose their sessions or go away, and what clients are told.

use serde_json::json;

use super::is_session_not_found;
use crate::client::Ask;
use crate::dialects::{BUSY, DIALECT, DIALECTS, SILENT, WHO};
use crate::driver::{Driver, Scene};
use crate::pods::App;

fn spoken<D: Driver>(driver: impl FnOnce(Scene) -> D) -> D {
    driver(Scene { pods: App::Dialects, ..Scene::default() })
}

/// A request of a session, by a client that says how it wants to be told of its loss.
fn ask(session: &str, method: &str, dialect: &str) -> Ask {
    let message = json!({"jsonrpc": "2.0", "id": 1, "method": method});
    Ask::post(message).session(session).header(DIALECT, dialect).header("authorization", "Bearer a")
}

/// Sessions, each with its pod.
fn open(driver: &mut impl Driver, count: usize) -> Vec<(String, usize)> {
    let opened = |driver: &mut _| {
        let got = Driver::send(driver, Ask::initialize());
        (got.header("mcp-session-id").expect("a session").to_owned(), got.ordinal())
    };
    (0..count).map(|_| opened(driver)).collect()
}

pub fn a_lost_session_is_answered_404_whatever_its_pod_says<D: Driver>(
    driver: impl FnOnce(Scene) -> D,
) {
    let mut driver = spoken(driver);
    let sessions = open(&mut driver, DIALECTS.len());
    (0..3).for_each(|ordinal| driver.restart(ordinal));
    for ((session, _), dialect) in sessions.iter().zip(DIALECTS) {
        if dialect == "200" {
            // Its headers are out before its body is seen.
            let lost = driver.counter("lost");
            let got = driver.send(ask(session, "tools/list", dialect));
            assert_eq!(got.status, 200);
            assert_eq!(got.message()["error"]["code"], json!(-32000));
            driver.counts_to("lost", lost + 1);
        }
        let got = driver.send(ask(session, "tools/list", dialect));
        is_session_not_found(&got);
        assert_eq!(got.pod.is_some(), dialect != "200", "{dialect}");
        let decision = if dialect == "200" { "unknown" } else { "lost" };
        assert_eq!(driver.noted().0, decision, "{dialect}");
        let got = driver.send(ask(session, "tools/list", dialect));
        is_session_not_found(&got);
        assert_eq!((driver.noted().0.as_str(), got.pod.is_none()), ("unknown", true), "{dialect}");
    }
    assert_eq!(driver.counter("lost"), DIALECTS.len() as u64);
    // The SDKs' 404 needs no question.
    let pinged = driver.counter("pinged");
    assert!((6..=8).contains(&pinged), "{pinged} for six sessions, two of them asked twice");
}

pub fn a_loss_is_told_by_a_stream_and_by_an_end_as_well<D: Driver>(
    driver: impl FnOnce(Scene) -> D,
) {
    let mut driver = spoken(driver);
    let sessions = open(&mut driver, 2);
    (0..3).for_each(|ordinal| driver.restart(ordinal));
    for ((session, _), request) in sessions.iter().zip([Ask::get(), Ask::delete()]) {
        is_session_not_found(&driver.send(request.session(session).header(DIALECT, "404")));
        assert_eq!(driver.noted().0, "lost");
    }
}

pub fn an_error_that_is_no_loss_passes_as_it_is<D: Driver>(driver: impl FnOnce(Scene) -> D) {
    let mut driver = spoken(driver);
    let (session, ordinal) = open(&mut driver, 1).remove(0);
    let served = |driver: &mut _| {
        let got = Driver::send(driver, ask(&session, "tools/list", "400"));
        assert_eq!((got.status.as_u16(), got.ordinal()), (200, ordinal));
    };
    let bad = r#"{"error":{"code":-32602,"message":"Bad Request: no such thing"},"id":null,"jsonrpc":"2.0"}"#;
    for (about, request, status, body) in [
        ("bad parameters", ask(&session, "bad", "400"), 400, bad),
        ("no streams", Ask::get().session(&session), 405, "no streams here"),
        ("too busy", ask(&session, "tools/list", BUSY), 503, "too busy"),
        ("who are you", ask(&session, "tools/list", WHO), 401, "who are you?"),
    ] {
        let got = driver.send(request);
        assert_eq!((got.status.as_u16(), got.ordinal()), (status, ordinal), "{about}");
        assert_eq!(String::from_utf8_lossy(&got.body), body, "{about}");
        served(&mut driver);
    }
    let mut not_json = ask(&session, "", "400");
    not_json.body = b"{".to_vec();
    let got = driver.send(not_json);
    assert_eq!((got.status.as_u16(), &got.message()["error"]["code"]), (400, &json!(-32700)));
    served(&mut driver);
    assert_eq!((driver.counter("lost"), driver.counter("ended")), (0, 0));
}

/// A pod that says nothing for so long that the client's response has to go on.
pub fn a_pod_that_does_not_answer_is_taken_at_its_word<D: Driver>(driver: impl FnOnce(Scene) -> D) {
    let mut driver = driver(Scene {
        pods: App::Dialects,
        configure: |plugin| plugin["probe"]["timeout"] = json!("100ms"),
        ..Scene::default()
    });
    let (session, ordinal) = open(&mut driver, 1).remove(0);
    let got = driver.send(ask(&session, "bad", SILENT));
    assert_eq!((got.status.as_u16(), got.ordinal()), (400, ordinal));
    assert_eq!(got.message()["error"]["code"], json!(-32602));
    assert_eq!(driver.send(ask(&session, "tools/list", "400")).status, 200);
    assert_eq!((driver.counter("lost"), driver.counter("pinged")), (0, 1));
}

pub fn a_session_whose_pod_is_gone_is_answered_404_and_others_go_on<D: Driver>(
    driver: impl FnOnce(Scene) -> D,
) {
    let mut driver = spoken(driver);
    let sessions = open(&mut driver, 12);
    let (_, gone) = sessions[0];
    driver.stop(gone);
    for (session, ordinal) in &sessions {
        let got = driver.send(ask(session, "tools/list", "400"));
        match *ordinal == gone {
            true => {
                is_session_not_found(&got);
                assert_eq!(driver.noted().0, "unreachable");
            }
            false => assert_eq!((got.status.as_u16(), got.ordinal()), (200, *ordinal)),
        }
    }
    // The pod may come back with its sessions: this one does not.
    driver.restart(gone);
    let got = driver.send(ask(&sessions[0].0, "tools/list", "400"));
    is_session_not_found(&got);
    assert_eq!(driver.noted().0, "lost");
}

pub fn a_pod_that_is_gone_gets_no_new_sessions<D: Driver>(driver: impl FnOnce(Scene) -> D) {
    let mut driver = spoken(driver);
    let (_, gone) = open(&mut driver, 1).remove(0);
    driver.stop(gone);
    let opened: Vec<_> = (0..40).map(|_| driver.send(Ask::initialize())).collect();
    let failed: Vec<_> = opened.iter().filter(|got| got.status != 200).collect();
    assert!(failed.len() <= 1, "{} of 40 failed", failed.len());
    assert!(failed.iter().all(|got| got.status == 503), "a client that opens is never told 4xx");
    for got in opened.iter().filter(|got| got.status == 200) {
        assert_ne!(got.ordinal(), gone);
    }
    assert_eq!(driver.counter("ejected"), failed.len() as u64);
}
