//! What there is without Podpin.

use anyhow::Result;
use kit::DOMAIN;
use kit::bootstrap::Bootstrap;
use kit::root;
use serde_json::{Value, json};

use super::{BODIES, Contender, Module, Start, example, example_as_built, haproxy};
use crate::ground::Ground;
use crate::kind::Kind;
use crate::load::session::Client;

/// A module on Podpin's SDK that does nothing, below the root of the repository.
const NOOP: &str = "dist/noop.wasm";

/// The header of [`with_header`].
const RETURNED: &str = "x-session-endpoint";

/// The header by which `endpoint.yaml` has Envoy choose an endpoint.
const ENDPOINT: &str = "x-podpin-endpoint";

/// What the filter that does nothing asks of Envoy, step by step, until that is all that Podpin asks of
/// it for a call of a session by `authority`.
const LADDER: [(&str, &str); 5] = [
    ("+ read request headers", "headers"),
    ("+ read shared data and clock", "headers look-up"),
    ("+ set :authority, x-forwarded-host", "headers look-up authority"),
    ("+ two words for logs and routes", "headers look-up authority notes"),
    (ALL_CALLS, "headers look-up authority notes status counter"),
];

const ALL_CALLS: &str = "calls of authority";

/// All that Podpin asks of Envoy in other modes, and for a request on another path.
const CALLS_OF_DYNAMIC_HOST: &str = "headers look-up dynamic_host notes status counter";
const CALLS_OF_SEALED: &str = "headers unseal authority notes status counter";
const CALLS_OF_ENDPOINT: &str = "headers look-up endpoint notes status counter";
const CALLS_OF_ANOTHER_PATH: &str = "headers counter";

/// Whether a contender of this name is a filter that decides nothing, but calls Envoy as Podpin does.
pub(crate) fn only_calls(name: &str) -> bool {
    name.starts_with("+ ") || name.starts_with("calls of ")
}

pub(super) fn all(ground: &Ground) -> Result<Vec<Contender>> {
    let bare = example_as_built(ground, "envoy.yaml")?.without_podpin();
    let noop = |file| example(ground, &root().join("envoy"), file, &root().join(NOOP));
    let by_pod = Client::NamesPod(ground.pods);
    let plain = Client::Plain;
    let some = &[Kind::Call, Kind::Modern];
    let (call, another): (&[_], &[_]) = (&[Kind::Call], &[Kind::AnotherPath]);
    let also_another = &[Kind::Call, Kind::AnotherPath];
    let mut all = vec![
        envoy("Envoy alone", bare.clone(), Kind::ALL, plain),
        envoy("Envoy's envelope", with_envelope(bare.clone()), BODIES, plain),
        envoy("Envoy's header", with_header(bare.clone()), some, Client::Returns(RETURNED)),
        envoy("Envoy, by pod", with_pod_routing(bare, ground.pods), some, by_pod),
        Contender { paced: also_another, ..envoy("no-op", noop("envoy.yaml")?, Kind::ALL, plain) },
        envoy("no-op, by pod", with_pod_routing(noop("envoy.yaml")?, ground.pods), BODIES, by_pod),
        envoy(
            "no-op, by endpoint",
            with_endpoint_routing(noop("endpoint.yaml")?),
            some,
            Client::Returns(ENDPOINT),
        ),
    ];
    let asks = |example: Bootstrap, calls: &str| example.plugin(|plugin| *plugin = calls.into());
    for (name, calls) in LADDER {
        let noop = with_pod_routing(noop("envoy.yaml")?, ground.pods);
        let paced = if name == ALL_CALLS { call } else { &[] };
        all.push(Contender { paced, ..envoy(name, asks(noop, calls), call, by_pod) });
    }
    all.extend([
        envoy(
            "calls of dynamic_host",
            asks(noop("dynamic-host.yaml")?, CALLS_OF_DYNAMIC_HOST),
            call,
            by_pod,
        ),
        Contender {
            paced: &[],
            ..envoy(
                "calls of sealed",
                asks(with_pod_routing(noop("envoy.yaml")?, ground.pods), CALLS_OF_SEALED),
                call,
                by_pod,
            )
        },
        envoy(
            "calls of endpoint",
            asks(with_endpoint_routing(noop("endpoint.yaml")?), CALLS_OF_ENDPOINT),
            call,
            Client::Returns(ENDPOINT),
        ),
        Contender {
            paced: another,
            ..envoy(
                "calls of another path",
                asks(noop("envoy.yaml")?, CALLS_OF_ANOTHER_PATH),
                another,
                plain,
            )
        },
    ]);
    if haproxy::program().is_some() {
        let start = Start::HaProxy(ground.pods);
        all.push(Contender {
            name: "HAProxy",
            start,
            ..envoy("", Bootstrap(Value::Null), BODIES, plain)
        });
    }
    Ok(all)
}

fn envoy(
    name: &'static str,
    bootstrap: Bootstrap,
    kinds: &'static [Kind],
    client: Client,
) -> Contender {
    let start = Start::Envoy(Box::new(bootstrap));
    Contender { name, module: Module::None, start, kinds, paced: &[Kind::Call], client }
}

/// Envoy's own way: it wraps the session id in the address of the pod that gave it out.
fn with_envelope(bootstrap: Bootstrap) -> Bootstrap {
    with_stateful_session(
        bootstrap,
        "envelope",
        "EnvelopeSessionState",
        json!({"header": {"name": "mcp-session-id"}}),
    )
}

/// Envoy's other way, for clients that return a header.
fn with_header(bootstrap: Bootstrap) -> Bootstrap {
    with_stateful_session(bootstrap, "header", "HeaderBasedSessionState", json!({"name": RETURNED}))
}

fn with_stateful_session(
    mut bootstrap: Bootstrap,
    name: &str,
    message: &str,
    mut state: Value,
) -> Bootstrap {
    let extension = "type.googleapis.com/envoy.extensions";
    state["@type"] = format!("{extension}.http.stateful_session.{name}.v3.{message}").into();
    let filter = json!({
        "name": "envoy.filters.http.stateful_session",
        "typed_config": {
            "@type": format!("{extension}.filters.http.stateful_session.v3.StatefulSession"),
            "session_state": {
                "name": format!("envoy.http.stateful_session.{name}"),
                "typed_config": state,
            },
        },
    });
    bootstrap.filters().insert(0, filter);
    bootstrap
}

/// What the example has besides the filter: a route by the pod's name, which the client sends. Any
/// other name would be looked up too, that of Envoy itself among them, which would never end.
fn with_pod_routing(bootstrap: Bootstrap, port: u16) -> Bootstrap {
    let is_pod = json!({"suffix": format!("{DOMAIN}:{port}")});
    steering(bootstrap, json!({"name": ":authority", "string_match": is_pod}))
}

/// The same for the header that names an endpoint.
fn with_endpoint_routing(bootstrap: Bootstrap) -> Bootstrap {
    steering(bootstrap, json!({"name": ENDPOINT, "present_match": true}))
}

/// Has requests with such a header take the route of those that Podpin steered.
fn steering(mut bootstrap: Bootstrap, header: Value) -> Bootstrap {
    let hosts = &mut bootstrap.connection_manager()["route_config"]["virtual_hosts"];
    hosts[0]["routes"][0]["match"] = json!({"prefix": "/", "headers": [header]});
    bootstrap
}
