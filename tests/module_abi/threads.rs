//! The module's own thread, and streams on many of Envoy's.

use std::time::Duration;

use kit::model::{Engine, Step, example_plugin};
use serde_json::json;

use crate::bench::{POD, RESULT, pairs, request, response};
use crate::envoy::Envoy;

/// Only once it has come does the thread ask for the next.
#[test]
fn a_thread_asks_for_ticks_one_at_a_time() {
    let mut envoy = Envoy::<40>::start(&example_plugin());
    let asked = |envoy: &Envoy<40>, wanted: u32| {
        let (count, asked) = &envoy.config.ticks;
        let patience = Duration::from_secs(60);
        let waited = asked.wait_timeout_while(count.lock().unwrap(), patience, |n| *n < wanted);
        *waited.unwrap().0
    };
    assert_eq!(asked(&envoy, 1), 1);
    envoy.advance(Duration::from_secs(1));
    assert_eq!(asked(&envoy, 2), 2);
}

#[test]
fn a_configuration_that_is_refused_leaves_nothing() {
    let mut plugin = example_plugin();
    plugin["steer"] = json!("guess");
    assert!(Envoy::<40>::with(plugin).is_none());
    let mut envoy = Envoy::<40>::start(&example_plugin());
    assert_eq!(envoy.request(request(&[])).1, Step::Go);
}

/// Envoy lets go of a configuration with its last stream.
#[test]
fn streams_that_are_open_to_the_end_harm_nothing() {
    let mut envoy = Envoy::<39>::start(&example_plugin());
    let (stream, _) = envoy.request(request(&[]));
    envoy.request_body(stream, br#"{"method":"initialize"}"#, true);
    assert_eq!(envoy.response(stream, response("a"), POD), Step::Go);
    assert_eq!(envoy.response_body(stream, RESULT, false), Step::Go);
    let (other, step) = envoy.request(request(&[("mcp-session-id", "a")]));
    assert_eq!(step, Step::Go);
    assert_eq!(envoy.response(other, pairs(&[(":status", "200")]), POD), Step::Go);
    let config = envoy.config.clone();
    drop(envoy);
    let counters = &config.proxy.lock().unwrap().counters;
    assert_eq!(counters.get(&kit::counter("bound")), Some(&1));
    assert!(counters.keys().all(|name| !name.contains("panicked")), "{counters:?}");
}
