//! Steering by address: limits, and pins of the other kind.

use kit::discovered::CLUSTER;
use kit::mode::Mode;
use kit::model::{Engine, Step, plugin_of};
use kit::sealed::sealed;
use serde_json::{Value, json};

use crate::by_hand::{ask, counter, headers, initialize, response, status, store_calls, value};
use simulated::Sim;

fn by_address(mode: Mode, change: impl FnOnce(&mut Value)) -> Sim {
    let mut plugin = plugin_of(mode);
    change(&mut plugin);
    Sim::start(&plugin)
}

fn within(ranges: &[&str]) -> Value {
    json!({"addresses": ranges, "port": 8080})
}

/// Pods answer from 127.0.1.1 and so on.
#[test]
fn a_session_that_was_opened_outside_of_the_addresses_is_not_bound() {
    for mode in [Mode::Endpoint, Mode::OverrideHost, Mode::OriginalDst] {
        for (ranges, outside) in [(["127.0.1.0/24"], false), (["10.0.0.0/8"], true)] {
            let mut sim = by_address(mode, |plugin| plugin["workload"] = within(&ranges));
            let (_, step) = initialize(&mut sim, "a");
            assert_eq!(status(&step), if outside { 503 } else { 200 }, "{mode:?}");
            let wanted = if outside { (1, 0) } else { (0, 1) };
            assert_eq!((counter(&sim, "outside"), counter(&sim, "bound")), wanted, "{mode:?}");
            assert_eq!(sim.calls(), [], "nothing is sent there, not even an end");
            assert_eq!(status(&ask(&mut sim, "a").1), if outside { 404 } else { 200 });
        }
    }
}

/// The limits may have been narrowed since.
#[test]
fn a_pin_outside_of_the_addresses_is_none() {
    let mut wide = by_address(Mode::OriginalDst, |_| {});
    initialize(&mut wide, "a");
    let mut narrow =
        by_address(Mode::OriginalDst, |plugin| plugin["workload"] = within(&["10.0.0.0/8"]));
    narrow.proxy_mut().shared = wide.proxy().shared;
    assert_eq!(status(&ask(&mut narrow, "a").1), 404);
    assert_eq!(counter(&narrow, "unknown"), 1);
}

/// Whoever has the key can seal any place.
#[test]
fn a_sealed_id_of_a_place_outside_of_the_workload_is_unknown() {
    let sealing = |mode, ranges: Option<&[&str]>| {
        by_address(mode, |plugin| {
            sealed(plugin);
            if let Some(ranges) = ranges {
                plugin["workload"] = within(ranges);
            }
        })
    };
    for (mode, other, ranges, wanted) in [
        (Mode::OriginalDst, Mode::OriginalDst, &["127.0.0.0/8"], 200),
        (Mode::OriginalDst, Mode::OriginalDst, &["10.0.0.0/8"], 404),
        (Mode::Endpoint, Mode::Endpoint, &["127.0.0.0/8"], 200),
        (Mode::Authority, Mode::Endpoint, &["127.0.0.0/8"], 404),
    ] {
        let mut maker = sealing(mode, None);
        let (stream, step) = initialize(&mut maker, "a");
        assert_eq!(step, Step::Go);
        let response = maker.record(stream).response;
        let (_, id) = response.iter().find(|(name, _)| name == "mcp-session-id").expect("an id");
        let id = std::str::from_utf8(id).expect("text");
        let mut sim = sealing(other, Some(ranges));
        assert_eq!(status(&ask(&mut sim, id).1), wanted, "{mode:?} for {other:?} in {ranges:?}");
        assert_eq!(counter(&sim, "unknown"), u64::from(wanted == 404));
    }
}

#[test]
fn a_pin_of_the_other_kind_is_a_miss_and_gives_way() {
    for (first, second) in [
        (Mode::Authority, Mode::Endpoint),
        (Mode::Endpoint, Mode::Authority),
        (Mode::DynamicHost, Mode::OriginalDst),
    ] {
        let mut sim = by_address(first, |_| {});
        initialize(&mut sim, "a");
        let mut other = by_address(second, |_| {});
        other.proxy_mut().shared = sim.proxy().shared;
        let (_, step) = ask(&mut other, "a");
        assert_eq!(status(&step), 404, "{first:?}, then {second:?}");
        // A server may give the id out again.
        let (_, step) = initialize(&mut other, "a");
        assert_eq!(step, Step::Go);
        assert_eq!((counter(&other, "bound"), counter(&other, "id_taken")), (1, 0));
        assert_eq!(status(&ask(&mut other, "a").1), 200);
    }
    // Both forms of `endpoint` know each other's, but an original destination none that a Redis may
    // have told.
    for (second, wanted) in [(Mode::OverrideHost, 200), (Mode::OriginalDst, 404)] {
        let mut sim = by_address(Mode::Endpoint, |_| {});
        initialize(&mut sim, "a");
        let mut other = by_address(second, |_| {});
        other.proxy_mut().shared = sim.proxy().shared;
        assert_eq!(status(&ask(&mut other, "a").1), wanted, "{second:?}");
    }
}

#[test]
fn a_record_of_the_other_kind_is_a_miss_and_no_fault() {
    let redis = json!({"kind": "redis", "cluster": "webdis"});
    let host = format!("{}-1.{}", kit::STATEFUL_SET, kit::DOMAIN);
    let by_name = json!({"v": 1, "host": host, "address": null, "bound_at": 0, "used_at": 0});
    let by_address_record =
        json!({"v": 2, "endpoint": "127.0.1.1:8080", "bound_at": 0, "used_at": 0});
    for (mode, record) in [(Mode::Endpoint, by_name), (Mode::Authority, by_address_record)] {
        let mut sim = by_address(mode, |plugin| plugin["store"] = redis.clone());
        let (stream, step) = ask(&mut sim, "a");
        assert_eq!(step, Step::Wait);
        let calls = store_calls(&mut sim);
        sim.respond_to_call(calls[0].0, value(&record));
        assert_eq!(status(&sim.step(stream)), 404, "{mode:?}");
        let [untrusted, unknown] = ["store_untrusted", "unknown"].map(|name| counter(&sim, name));
        assert_eq!((untrusted, unknown), (0, 1), "{mode:?}");
    }
}

/// What the proxy adds to a response says where a pod is, on whatever path.
#[test]
fn no_response_shows_the_endpoint() {
    let mut sim = by_address(Mode::Endpoint, |_| {});
    let elsewhere = headers(&[(":method", "GET"), (":path", "/elsewhere")]);
    let modern =
        headers(&[(":method", "POST"), (":path", "/mcp"), ("mcp-protocol-version", "2026-07-28")]);
    for request in [elsewhere, modern] {
        let (stream, step) = sim.request(request);
        assert_eq!(step, Step::Go);
        let from = [(":status", "200"), ("x-podpin-endpoint", "MTI3LjAuMS4xOjgwODA=")];
        sim.response(stream, headers(&from), "127.0.1.1:8080");
        let names: Vec<_> = sim.record(stream).response.into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, [":status"]);
    }
}

/// Only with the policy override_host a callout can be led to an endpoint.
#[test]
fn a_session_that_cannot_be_written_down_is_ended_where_a_callout_gets() {
    for (mode, ends) in [(Mode::Endpoint, false), (Mode::OverrideHost, true)] {
        let mut sim = by_address(mode, |plugin| {
            plugin["store"] = json!({"kind": "redis", "cluster": "webdis"});
        });
        let (stream, step) = initialize(&mut sim, "a");
        assert_eq!(step, Step::Wait);
        let calls = store_calls(&mut sim);
        sim.respond_to_call(calls[0].0, response("no JSON"));
        assert_eq!(status(&sim.step(stream)), 503);
        let sent = sim.calls();
        let to_pod: Vec<_> = sent
            .iter()
            .filter(|(_, callout)| callout.cluster == CLUSTER || callout.method == "DELETE")
            .collect();
        assert_eq!(!to_pod.is_empty(), ends, "{mode:?}");
        for (_, callout) in to_pod {
            let steered = callout.headers.iter().find(|(name, _)| name == "x-podpin-endpoint");
            assert_eq!(steered.expect("the endpoint").1.0, "127.0.1.1:8080");
        }
    }
}
