//! The Envoys that are compared.

use std::env::var_os;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use kit::bootstrap::{self, Bootstrap};
use kit::sealed::sealed;
use kit::setup::SharedSetup;
use kit::{DOMAIN, root};
use serde_json::{Value, json};

use crate::kind::Kind;

/// An Envoy to start, and what it is asked.
pub(crate) struct Contender {
    pub(crate) name: &'static str,
    pub(crate) module: Module,
    pub(crate) bootstrap: Bootstrap,
    pub(crate) kinds: &'static [Kind],
    /// Whether its clients name the pod.
    pub(crate) by_pod: bool,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Module {
    None,
    Built,
    /// That of `$BASELINE`.
    Older,
}

/// Makes something else of the filter's configuration.
type Change = Box<dyn FnOnce(&mut Value)>;

/// The modes that steer by address.
const BY_ADDRESS: [(&str, &str); 3] = [
    ("endpoint", "endpoint.yaml"),
    ("endpoint, plain", "override-host.yaml"),
    ("original_dst", "original-dst.yaml"),
];

/// Bare Envoy first; behind each example with the module as built the same with the older one.
pub(crate) fn all(setup: &SharedSetup) -> Result<Vec<Contender>> {
    let built = root().join(bootstrap::MODULE);
    let bare = example(setup, &root().join("envoy"), "envoy.yaml", &built)?;
    let other = |name, bootstrap: Bootstrap, kinds, by_pod| {
        let bootstrap = bootstrap.without_podpin();
        Contender { name, module: Module::None, bootstrap, kinds, by_pod }
    };
    let mut all = vec![
        other("Envoy alone", bare.clone(), Kind::ALL, false),
        other("Envoy's envelope", with_envelope(bare.clone()), &[Kind::Call], false),
        other(
            "Envoy, routing by pod",
            with_pod_routing(bare, setup.pods.port),
            &[Kind::Call],
            true,
        ),
    ];
    let modules = [
        Some((Module::Built, built.clone(), root().join("envoy"))),
        older()?.map(|(module, examples)| (Module::Older, module, examples)),
    ];
    for (name, file, kinds) in [
        ("authority", "envoy.yaml", Kind::ALL),
        ("dynamic_host", "dynamic-host.yaml", &[Kind::Call]),
        ("redis, near hit", "redis.yaml", &[Kind::Call]),
    ] {
        for (module, path, examples) in modules.iter().flatten() {
            let (bootstrap, module) = (example(setup, examples, file, path)?, *module);
            all.push(Contender { name, module, bootstrap, kinds, by_pod: false });
        }
    }
    // No older module does what follows.
    let subject = |claim: Value| {
        Box::new(move |plugin: &mut Value| plugin["session"] = json!({"bind_to": [claim]}))
    };
    let by_property: Change = subject(json!({"property": ["listener_direction"]}));
    let by_header: Change = subject(json!({"header": "content-type"}));
    let changes: [(_, &[Kind], _); 3] = [
        ("sealed", &[Kind::Call, Kind::Initialize], Box::new(sealed) as Change),
        ("subject by property", &[Kind::Call], by_property),
        ("subject by header", &[Kind::Call], by_header),
    ];
    for (name, kinds, change) in changes {
        let bootstrap = example(setup, &root().join("envoy"), "envoy.yaml", &built)?.plugin(change);
        all.push(Contender { name, module: Module::Built, bootstrap, kinds, by_pod: false });
    }
    for (name, file) in BY_ADDRESS {
        let bootstrap = example(setup, &root().join("envoy"), file, &built)?.without_tls();
        let (module, kinds) = (Module::Built, &[Kind::Call]);
        all.push(Contender { name, module, bootstrap, kinds, by_pod: false });
    }
    if let Some(only) = only() {
        // All are compared with the first.
        let mut number = 0;
        all.retain(|contender| {
            number += 1;
            number == 1 || only.iter().any(|name| name == contender.name)
        });
    }
    Ok(all)
}

/// The names in `$ONLY`, between semicolons.
fn only() -> Option<Vec<String>> {
    let names = std::env::var("ONLY").ok().filter(|names| !names.is_empty())?;
    Some(names.split(';').map(|name| name.trim().to_owned()).collect())
}

/// `$BASELINE`, and the examples that go with it: `$BASELINE_EXAMPLES`, or those of today.
fn older() -> Result<Option<(PathBuf, PathBuf)>> {
    let set = |name| var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let Some(module) = set("BASELINE") else { return Ok(None) };
    let module = module.canonicalize().with_context(|| format!("BASELINE: {module:?}"))?;
    let examples = set("BASELINE_EXAMPLES").unwrap_or_else(|| root().join("envoy"));
    Ok(Some((module, examples)))
}

fn example(setup: &SharedSetup, directory: &Path, file: &str, module: &Path) -> Result<Bootstrap> {
    Ok(Bootstrap::example_in(directory, file)?
        .port(bootstrap::LISTENER, 0)
        .port(bootstrap::ADMIN, 0)
        .port(bootstrap::DNS, setup.dns.address.port())
        .port(bootstrap::WEBDIS, setup.link.address.port())
        .port(bootstrap::POD, setup.pods.port)
        .with_module(module))
}

/// Envoy's own way: it wraps the session id in the address of the pod that gave it out.
fn with_envelope(mut bootstrap: Bootstrap) -> Bootstrap {
    let extension = "type.googleapis.com/envoy.extensions";
    let filter = json!({
        "name": "envoy.filters.http.stateful_session",
        "typed_config": {
            "@type": format!("{extension}.filters.http.stateful_session.v3.StatefulSession"),
            "session_state": {
                "name": "envoy.http.stateful_session.envelope",
                "typed_config": {
                    "@type": format!("{extension}.http.stateful_session.envelope.v3.EnvelopeSessionState"),
                    "header": {"name": "mcp-session-id"},
                },
            },
        },
    });
    bootstrap.filters().insert(0, filter);
    bootstrap
}

/// What the example has besides the filter: a route by the pod's name, which the client sends. Any
/// other name would be looked up too, that of Envoy itself among them, which would never end.
fn with_pod_routing(mut bootstrap: Bootstrap, port: u16) -> Bootstrap {
    let hosts = &mut bootstrap.connection_manager()["route_config"]["virtual_hosts"];
    let steered = &mut hosts[0]["routes"][0]["match"];
    let pods =
        json!({"name": ":authority", "string_match": {"suffix": format!("{DOMAIN}:{port}")}});
    *steered = json!({"prefix": "/", "headers": [pods]});
    bootstrap
}
