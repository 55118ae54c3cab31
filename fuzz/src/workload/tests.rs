//! Observations that no filter should give, and what the checks say of each.

use std::time::Duration;

use super::*;
use crate::complaint::complaint;

const POD: &str = "myserver-1.mcp-myserver-headless.default.svc.cluster.local";

/// A request that went on with these headers, of which the log says this, and with this filter state.
fn sent(headers: &[(&str, &str)], noted: Option<&str>, state: &[(&str, &str)]) -> StreamRecord {
    let headers =
        headers.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec()));
    let mut record = StreamRecord { request: headers.collect(), ..StreamRecord::default() };
    let state = state.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    record.filter_state = state.chain(noted.map(|it| (note("pod"), it.to_owned()))).collect();
    record
}

#[test]
fn a_request_that_goes_where_it_must_not_is_found() {
    let (host, port) = ("envoy.upstream.dynamic_host", "envoy.upstream.dynamic_port");
    let (pod, other) = (format!("{POD}:8080"), POD.replace("-1.", "-2."));
    let (there, foreign) = ("127.0.1.2:8080", "10.9.8.7:80");
    let whole = [(host, POD), (port, "8080")];
    for (mode, headers, noted, state, wanted) in [
        (Mode::Authority, &[(":authority", pod.as_str())][..], Some("myserver-1"), &[][..], ""),
        (Mode::Authority, &[(":authority", "mcp.example")], None, &[], ""),
        (Mode::DynamicHost, &[("x-podpin-host", &pod)], Some("myserver-1"), &whole, ""),
        (Mode::OriginalDst, &[("x-envoy-original-dst-host", there)], Some(there), &[], ""),
        (Mode::OverrideHost, &[], None, &[], ""),
        (
            Mode::Authority,
            &[(":authority", "mcp.example")],
            Some("myserver-1"),
            &[],
            "forwarded to mcp.example, outside of the workload",
        ),
        (
            Mode::OriginalDst,
            &[("x-envoy-original-dst-host", foreign)],
            Some(foreign),
            &[],
            "forwarded to 10.9.8.7:80, outside of the workload",
        ),
        (
            Mode::Endpoint,
            // Plain, where it is to be in base64.
            &[("x-podpin-endpoint", there)],
            Some(there),
            &[],
            "outside of the workload",
        ),
        (Mode::Authority, &[("x-podpin-host", &pod)], None, &[], "a client's header goes on"),
        (
            Mode::OverrideHost,
            &[("x-envoy-original-dst-host", there)],
            None,
            &[],
            "a client's header goes on",
        ),
        (
            Mode::OverrideHost,
            &[("x-podpin-endpoint", there), ("x-podpin-endpoint", there)],
            Some(there),
            &[],
            "two headers lead somewhere",
        ),
        (
            Mode::DynamicHost,
            &[("x-podpin-host", &pod)],
            Some("myserver-1"),
            &[(host, &other), (port, "8080")],
            "two hosts for a request",
        ),
        (Mode::DynamicHost, &[], None, &whole, "two hosts for a request"),
        (
            Mode::DynamicHost,
            &[("x-podpin-host", &pod)],
            Some("myserver-1"),
            &[(host, POD)],
            "a host without a port",
        ),
        (
            Mode::OverrideHost,
            &[("x-podpin-endpoint", there)],
            None,
            &[],
            "where it goes is not what the log says",
        ),
        (
            Mode::Authority,
            &[(":authority", &pod)],
            Some("myserver-2"),
            &[],
            "where it goes is not what the log says",
        ),
    ] {
        let record = sent(headers, noted, state);
        let told = complaint(|| drop(check_sent(mode, &record)));
        let is_it = if wanted.is_empty() { told.is_empty() } else { told.contains(wanted) };
        assert!(is_it, "{mode:?} {headers:?}: {told:?} where {wanted:?} is to be told");
    }
}

#[test]
fn a_callout_to_where_none_must_go_is_found() {
    let connected: BTreeSet<_> = [address(1), FOREIGN.to_owned()].into();
    let pod = format!("{POD}:8080");
    let (there, elsewhere) = (address(1), address(2));
    let original = "x-envoy-original-dst-host";
    for (mode, cluster, authority, header, wanted) in [
        (Mode::Authority, "webdis", "", None, ""),
        (Mode::Authority, PODS, pod.as_str(), None, ""),
        (Mode::Endpoint, ADDRESSED, "mcp.example", Some((original, &there)), ""),
        (Mode::OverrideHost, PODS, "", Some(("x-podpin-endpoint", &there)), ""),
        (Mode::Authority, "elsewhere", "", None, "to no store"),
        (Mode::Authority, PODS, "mcp.example", None, "to anywhere"),
        (Mode::OverrideHost, PODS, &pod, None, "to anywhere"),
        (Mode::Endpoint, ADDRESSED, "", Some((original, &elsewhere)), "nobody answered from"),
        (
            Mode::OriginalDst,
            ADDRESSED,
            "",
            Some((original, &FOREIGN.to_owned())),
            "a callout to 10.9.8.7:80, outside of the workload",
        ),
        (
            Mode::OverrideHost,
            PODS,
            "",
            Some(("x-podpin-endpoint", &FOREIGN.to_owned())),
            "a callout to 10.9.8.7:80",
        ),
        (Mode::Endpoint, PODS, "", Some(("x-podpin-endpoint", &there)), "a callout to 127.0.1.2"),
        (Mode::Authority, PODS, &pod, Some(("x-podpin-host", &there)), "a client's header goes on"),
    ] {
        let headers = header.into_iter();
        let headers = headers.map(|(name, value)| (name.to_owned(), Secret(value.clone())));
        let callout = Callout {
            cluster: cluster.to_owned(),
            method: "POST",
            path: "/mcp".to_owned(),
            authority: authority.to_owned(),
            headers: headers.collect(),
            body: Vec::new(),
            timeout: Duration::from_secs(1),
        };
        let told = complaint(|| check_callout(mode, &callout, &connected));
        let is_it = if wanted.is_empty() { told.is_empty() } else { told.contains(wanted) };
        assert!(is_it, "{mode:?} {header:?}: {told:?} where {wanted:?} is to be told");
    }
}

#[test]
fn an_exchange_that_is_never_woken_is_found() {
    let mut plugin = Mode::Authority.plugin();
    plugin["store"] = redis(Front::Webdis);
    let mut sim = Sim::on(Default::default(), parsed(&plugin));
    let (stream, step) = sim.request(pairs(&[
        (":method", b"POST"),
        (":path", b"/mcp"),
        (":authority", b"mcp.example"),
        ("mcp-session-id", b"a"),
    ]));
    assert_eq!(step, Step::Wait, "for the store");
    // Its answer is lost on the way.
    drop(sim.calls());
    let told = complaint(|| drop(answered(&mut sim, stream, step, &mut |_| simulated::nothing())));
    assert!(told.contains("paused for ever"), "{told:?}");
}
