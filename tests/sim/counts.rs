//! How many sessions each pod has: what placement goes by, and gauges tell.

use std::collections::BTreeMap;
use std::time::Duration;

use kit::client::Ask;
use kit::driver::{Driver, Scene, VirtualTime};
use kit::model::{Engine, Model};
use kit::pods::App;
use podpin::pods::Ordinal;
use podpin::session::Scope;
use podpin::telemetry::sessions_name_in;
use serde_json::json;
use simulated::Sim;

fn model(capacity: u32) -> Model<Sim> {
    // Set by the configuration, which cannot capture.
    let configure = match capacity {
        16 => |plugin: &mut serde_json::Value| plugin["store"]["capacity"] = json!(16),
        _ => |plugin: &mut serde_json::Value| {
            plugin["session"] = json!({"idle_timeout": "300s", "max_age": "1h"});
        },
    };
    Model::new(Scene { pods: App::Dialects, configure, ..Scene::default() })
}

fn open(model: &mut Model<Sim>) -> (String, usize) {
    let got = model.send(Ask::initialize());
    (got.header("mcp-session-id").expect("a session").to_owned(), got.ordinal())
}

/// What the gauges say, once the filter had time for some rounds of counting.
fn told(model: &mut Model<Sim>) -> [u64; 3] {
    (0..60).for_each(|_| model.advance(Duration::from_secs(1)));
    let gauges = model.engine.proxy().gauges;
    [0, 1, 2].map(|ordinal| {
        let name = sessions_name_in(&Scope::new(kit::SCOPE), Ordinal(ordinal));
        gauges.get(&name).copied().unwrap_or(0)
    })
}

fn counted<'a>(sessions: impl IntoIterator<Item = &'a (String, usize)>) -> [u64; 3] {
    let mut counts = BTreeMap::<usize, u64>::new();
    sessions.into_iter().for_each(|(_, pod)| *counts.entry(*pod).or_default() += 1);
    [0, 1, 2].map(|pod| counts.get(&pod).copied().unwrap_or(0))
}

#[test]
fn gauges_follow_sessions_that_open_end_are_lost_and_expire() {
    let mut model = model(65_536);
    let mut sessions: Vec<_> = (0..40).map(|_| open(&mut model)).collect();
    assert_eq!(told(&mut model), counted(&sessions));
    // Some end.
    for (session, _) in sessions.split_off(30) {
        assert_eq!(model.send(Ask::delete().session(&session)).status, 200);
    }
    assert_eq!(told(&mut model), counted(&sessions));
    // One pod loses its own, which is known of those that are asked for.
    let lost = sessions[0].1;
    model.restart(lost);
    for (session, pod) in &sessions {
        let status = model.send(Ask::tool("a").session(session)).status;
        assert_eq!(status, if *pod == lost { 404 } else { 200 });
    }
    sessions.retain(|(_, pod)| *pod != lost);
    assert_eq!(told(&mut model), counted(&sessions));
    // All but one idle out.
    model.advance(Duration::from_secs(230));
    let (used, pod) = sessions.remove(0);
    assert_eq!(model.send(Ask::tool("a").session(&used)).status, 200);
    assert_eq!(told(&mut model), counted([&(used, pod)]));
}

#[test]
fn gauges_follow_sessions_that_give_way() {
    let mut model = model(16);
    (0..300).for_each(|_| drop(open(&mut model)));
    let evicted = model.counter("evicted");
    assert!(evicted > 200, "{evicted}");
    assert_eq!(told(&mut model).iter().sum::<u64>(), 300 - evicted);
}

/// A worker thread may end between opening a session and counting it.
#[test]
fn a_count_that_is_wrong_is_put_right() {
    let mut model = model(65_536);
    let sessions: Vec<_> = (0..20).map(|_| open(&mut model)).collect();
    assert_eq!(told(&mut model), counted(&sessions));
    let proxy = model.engine.proxy();
    let name = proxy.shared.values.keys().find(|key| key.contains("/pods/1/0"));
    let name = name.expect("the pods' page").clone();
    {
        let mut proxy = model.engine.proxy_mut();
        let (page, _) = proxy.shared.values.get_mut(&name).expect("the page");
        // The last byte of the first record's count: after format, flags, ordinal and time.
        page[1 + 1 + 4 + 8 + 3] += 7;
    }
    assert_eq!(told(&mut model), counted(&sessions));
}

/// Most clients just go away.
#[test]
fn expired_sessions_do_not_count_although_others_open_all_the_time() {
    let mut model = model(65_536);
    (0..40).for_each(|_| drop(open(&mut model)));
    for _ in 0..600 {
        model.advance(Duration::from_secs(1));
        open(&mut model);
    }
    // Those of the last 300 seconds live.
    let gauges = model.engine.proxy().gauges;
    let told: u64 = [0, 1, 2]
        .map(|pod| gauges[&sessions_name_in(&Scope::new(kit::SCOPE), Ordinal(pod))])
        .iter()
        .sum();
    assert!((285..=320).contains(&told), "{told}");
}
