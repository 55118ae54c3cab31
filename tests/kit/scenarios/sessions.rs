//! The main job: a session stays on its pod, as long as there is one.

use std::collections::HashSet;

use serde_json::json;

use super::{count, is_session_not_found, open, plain, serves};
use crate::client::Ask;
use crate::driver::{Driver, Scene};
use crate::pods::App;
use crate::{DOMAIN, STATEFUL_SET};

pub fn a_session_stays_on_the_pod_that_opened_it<D: Driver>(driver: impl FnOnce(Scene) -> D) {
    let mut driver = plain(driver);
    let sessions: Vec<_> = (0..6).map(|_| open(&mut driver)).collect();
    for wanted in 1..=10 {
        for session in &sessions {
            assert_eq!(count(&mut driver, session), wanted);
        }
    }
    let noted = driver.noted();
    assert_eq!(noted, ("steered".into(), driver.place(sessions[5].ordinal)));
    assert_eq!(driver.counter("bound"), 6);
    assert_eq!(driver.counter("steered"), 6 + 60);
}

pub fn new_sessions_are_spread_over_all_pods<D: Driver>(driver: impl FnOnce(Scene) -> D) {
    let mut driver = plain(driver);
    let ordinals: HashSet<_> = (0..40).map(|_| open(&mut driver).ordinal).collect();
    assert_eq!(ordinals, [0, 1, 2].into());
}

pub fn a_pod_sees_its_own_name_and_the_one_that_was_asked_for<D: Driver>(
    driver: impl FnOnce(Scene) -> D,
) {
    let mut driver = plain(driver);
    let session = open(&mut driver);
    let got = driver.send(Ask::tool("count").session(&session.id));
    let (ordinal, seen) = got.pod.unwrap();
    let host = seen.headers["host"].to_str().unwrap();
    assert!(host.starts_with(&format!("{STATEFUL_SET}-{ordinal}.{DOMAIN}:")), "{host}");
    assert_eq!(seen.headers["x-forwarded-host"], "mcp.example");
    assert!(!seen.headers.keys().any(|name| name.as_str().starts_with("x-podpin")));
}

pub fn an_unknown_session_is_answered_404<D: Driver>(driver: impl FnOnce(Scene) -> D) {
    let mut driver = plain(driver);
    for ask in [Ask::tool("count"), Ask::get(), Ask::delete()] {
        let got = driver.send(ask.session("forged"));
        is_session_not_found(&got);
        assert!(got.pod.is_none());
        assert_eq!(driver.noted(), ("unknown".into(), "-".into()));
    }
    assert_eq!(driver.counter("unknown"), 3);
    serves(&mut driver);
}

pub fn an_ended_session_is_answered_404<D: Driver>(driver: impl FnOnce(Scene) -> D) {
    let mut driver = plain(driver);
    let session = open(&mut driver);
    let got = driver.send(Ask::delete().session(&session.id));
    assert!(got.status.is_success());
    assert_eq!(got.ordinal(), session.ordinal);
    assert_eq!(driver.noted().0, "ended");
    let got = driver.send(Ask::tool("count").session(&session.id));
    is_session_not_found(&got);
    assert!(got.pod.is_none());
    assert_eq!((driver.counter("ended"), driver.counter("unknown")), (1, 1));
}

pub fn a_session_that_its_pod_lost_is_answered_404_and_forgotten<D: Driver>(
    driver: impl FnOnce(Scene) -> D,
) {
    let mut driver = plain(driver);
    let session = open(&mut driver);
    driver.restart(session.ordinal);
    let got = driver.send(Ask::tool("count").session(&session.id));
    is_session_not_found(&got);
    assert_eq!(driver.noted().0, "lost");
    let again = driver.send(Ask::tool("count").session(&session.id));
    is_session_not_found(&again);
    assert!(again.pod.is_none(), "the pod need not be asked twice");
    assert_eq!((driver.counter("lost"), driver.counter("unknown")), (1, 1));
    serves(&mut driver);
}

pub fn an_initialize_with_a_session_id_is_treated_by_its_id<D: Driver>(
    driver: impl FnOnce(Scene) -> D,
) {
    let mut driver = plain(driver);
    let session = open(&mut driver);
    let got = driver.send(Ask::initialize().session(&session.id));
    assert_eq!(got.ordinal(), session.ordinal);
    is_session_not_found(&driver.send(Ask::initialize().session("forged")));
    assert_eq!(driver.counter("bound"), 1);
}

pub fn a_stream_and_its_resumption_reach_the_pod_of_the_session<D: Driver>(
    driver: impl FnOnce(Scene) -> D,
) {
    let mut driver = plain(driver);
    for _ in 0..6 {
        let session = open(&mut driver);
        let got = driver.send(Ask::get().session(&session.id));
        assert_eq!((got.status.as_u16(), got.ordinal()), (200, session.ordinal));
        assert_eq!(got.header("content-type"), Some("text/event-stream"));
        let got = driver.send(Ask::get().session(&session.id).header("last-event-id", "0"));
        assert_eq!(got.ordinal(), session.ordinal);
        assert_eq!(got.pod.unwrap().1.headers["last-event-id"], "0");
    }
}

pub fn one_replica_is_no_special_case<D: Driver>(driver: impl FnOnce(Scene) -> D) {
    let mut driver = driver(Scene {
        configure: |plugin| plugin["workload"]["replicas"] = json!(1),
        ..Scene::default()
    });
    let session = open(&mut driver);
    assert_eq!(session.ordinal, 0);
    assert_eq!(count(&mut driver, &session), 1);
    is_session_not_found(&driver.send(Ask::tool("count").session("forged")));
}

pub fn a_drained_pod_gets_no_new_session<D: Driver>(driver: impl FnOnce(Scene) -> D) {
    let mut driver = driver(Scene {
        configure: |plugin| plugin["placement"] = json!({"policy": "random", "drain": [1]}),
        ..Scene::default()
    });
    let ordinals: HashSet<_> = (0..30).map(|_| open(&mut driver).ordinal).collect();
    assert_eq!(ordinals, [0, 2].into());
}

pub fn sessions_are_spread_by_how_many_each_pod_has<D: Driver>(driver: impl FnOnce(Scene) -> D) {
    let mut driver = driver(Scene {
        pods: App::Dialects,
        configure: |plugin| plugin["placement"] = json!({"policy": "least_sessions"}),
        ..Scene::default()
    });
    let opened = |driver: &mut _| {
        let got = Driver::send(driver, Ask::initialize());
        (got.header("mcp-session-id").expect("a session").to_owned(), got.ordinal())
    };
    let is_even = |sessions: &[(String, usize)]| {
        for pod in 0..3 {
            let count = sessions.iter().filter(|(_, its)| *its == pod).count();
            let even = sessions.len() / 3;
            assert!(count.abs_diff(even) <= even / 10, "pod {pod} has {count} of {}", 3 * even);
        }
    };
    let mut sessions: Vec<_> = (0..300).map(|_| opened(&mut driver)).collect();
    is_even(&sessions);
    driver.restart(1);
    for (session, pod) in &sessions {
        let got = driver.send(Ask::tool("a").session(session));
        assert_eq!(got.status, if *pod == 1 { 404 } else { 200 });
    }
    sessions.retain(|(_, pod)| *pod != 1);
    sessions.extend((0..300).map(|_| opened(&mut driver)));
    is_even(&sessions);
}

/// Envoy makes of a local reply to such a request a 200 without a body.
pub fn a_reply_is_the_same_whatever_content_type_a_request_claims<D: Driver>(
    driver: impl FnOnce(Scene) -> D,
) {
    let mut driver = plain(driver);
    for content_type in ["application/grpc", "application/grpc+proto", "application/grpc; a=b"] {
        let ask = |id: &str| {
            let ask = Ask::new(http::Method::POST, "{}").header("content-type", content_type);
            ask.session(id)
        };
        let got = driver.send(ask("nobodys"));
        is_session_not_found(&got);
        assert_eq!(driver.noted().0, "unknown", "{content_type}");
        let long = "x".repeat(513);
        let got = driver.send(ask(&long));
        assert_eq!(
            (got.status.as_u16(), got.message()["error"]["code"].as_i64()),
            (400, Some(-32600))
        );
    }
    serves(&mut driver);
}
