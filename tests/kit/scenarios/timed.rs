//! What happens as time passes.

use std::time::Duration;

use serde_json::json;

use super::{count, is_session_not_found, open};
use crate::client::Ask;
use crate::driver::{Scene, VirtualTime};

const MINUTE: Duration = Duration::from_secs(60);

/// Idle for 10 minutes, or an hour old.
fn short_lived<D: VirtualTime>(driver: impl FnOnce(Scene) -> D) -> D {
    driver(Scene {
        configure: |plugin| plugin["session"] = json!({"idle_timeout": "10m", "max_age": "1h"}),
        ..Scene::default()
    })
}

/// A store whose keys expire by themselves does not know what it has forgotten.
fn has_expired(driver: &mut impl VirtualTime) {
    let decision = driver.noted().0;
    assert!(["expired", "unknown"].contains(&decision.as_str()), "{decision}");
    assert_eq!(driver.counter("expired") + driver.counter("unknown"), 1);
}

pub fn an_idle_session_expires<D: VirtualTime>(driver: impl FnOnce(Scene) -> D) {
    let mut driver = short_lived(driver);
    let [idle, used] = [open(&mut driver), open(&mut driver)];
    for minute in 1..10 {
        driver.advance(MINUTE);
        assert_eq!(count(&mut driver, &used), minute);
    }
    driver.advance(MINUTE);
    is_session_not_found(&driver.send(Ask::tool("count").session(&idle.id)));
    has_expired(&mut driver);
    assert_eq!(count(&mut driver, &used), 10);
}

pub fn a_session_in_use_lives_to_its_greatest_age<D: VirtualTime>(driver: impl FnOnce(Scene) -> D) {
    let mut driver = short_lived(driver);
    let session = open(&mut driver);
    for minute in 1..60 {
        driver.advance(MINUTE);
        assert_eq!(count(&mut driver, &session), minute);
    }
    driver.advance(MINUTE);
    is_session_not_found(&driver.send(Ask::tool("count").session(&session.id)));
    has_expired(&mut driver);
}

pub fn an_open_stream_keeps_its_session<D: VirtualTime>(driver: impl FnOnce(Scene) -> D) {
    let mut driver = short_lived(driver);
    let session = open(&mut driver);
    driver.hold(Ask::get().session(&session.id));
    (0..30).for_each(|_| driver.advance(MINUTE));
    assert_eq!(count(&mut driver, &session), 1);
    driver.close();
    (0..10).for_each(|_| driver.advance(MINUTE));
    is_session_not_found(&driver.send(Ask::tool("count").session(&session.id)));
}

pub fn a_long_answer_keeps_its_session<D: VirtualTime>(driver: impl FnOnce(Scene) -> D) {
    let mut driver = short_lived(driver);
    let session = open(&mut driver);
    driver.hold(Ask::tool("count").session(&session.id));
    (0..30).for_each(|_| driver.advance(MINUTE));
    // Beside the one that runs, say to cancel it.
    assert_eq!(count(&mut driver, &session), 2);
    (0..11).for_each(|_| driver.advance(MINUTE));
    driver.close();
    (0..9).for_each(|_| driver.advance(MINUTE));
    assert_eq!(count(&mut driver, &session), 3);
}
