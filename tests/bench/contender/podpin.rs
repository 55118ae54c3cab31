//! Podpin in each mode and with each store, beside an older build of it if there is one.

use std::env::var_os;
use std::path::PathBuf;

use anyhow::{Context, Result};
use kit::bootstrap::{Bootstrap, MODULE};
use kit::root;
use kit::sealed::sealed;
use serde_json::{Value, json};

use super::{BODIES, Contender, Module, Start, example};
use crate::ground::Ground;
use crate::kind::Kind;
use crate::load::session::Client;

/// Makes something else of the filter's configuration.
type Change = fn(&mut Value);

/// A mode: its example, what is changed there, what is measured, and what at a fixed rate too.
struct Plan(&'static str, &'static str, Option<Change>, &'static [Kind], &'static [Kind]);

const CALL: &[Kind] = &[Kind::Call];
const SOME: &[Kind] = &[Kind::Call, Kind::Initialize, Kind::Modern, Kind::AnotherPath];

/// A store that answers late is not what is measured.
const PATIENT: Change = |plugin| plugin["store"]["timeout"] = json!("1s");
const BY_PROPERTY: Change =
    |plugin| plugin["session"] = json!({"bind_to": [{"property": ["listener_direction"]}]});
const BY_HEADER: Change =
    |plugin| plugin["session"] = json!({"bind_to": [{"header": "content-type"}]});

const PLANS: [Plan; 9] = [
    Plan("authority", "envoy.yaml", None, Kind::ALL, &[Kind::Call, Kind::AnotherPath]),
    Plan("dynamic_host", "dynamic-host.yaml", None, SOME, CALL),
    Plan("redis, near hit", "redis.yaml", Some(PATIENT), &[Kind::Call, Kind::Initialize], CALL),
    Plan("sealed", "envoy.yaml", Some(sealed), &[Kind::Call, Kind::Initialize], CALL),
    Plan("subject by property", "envoy.yaml", Some(BY_PROPERTY), CALL, &[]),
    Plan("subject by header", "envoy.yaml", Some(BY_HEADER), CALL, &[]),
    Plan("endpoint", "endpoint.yaml", None, BODIES, CALL),
    Plan("endpoint, plain", "override-host.yaml", None, CALL, &[]),
    Plan("original_dst", "original-dst.yaml", None, CALL, &[]),
];

/// How many of [`PLANS`] are measured of an older module too, which may know no others.
const OF_OLDER: usize = 3;

pub(super) fn all(ground: &Ground) -> Result<Vec<Contender>> {
    let built = (root().join(MODULE), root().join("envoy"));
    let older = older()?;
    let mut all = Vec::new();
    for (number, Plan(name, file, change, kinds, paced)) in PLANS.into_iter().enumerate() {
        let older = older.as_ref().filter(|_| number < OF_OLDER);
        let modules = [Some((Module::Built, &built)), older.map(|it| (Module::Older, it))];
        for (module, (path, examples)) in modules.into_iter().flatten() {
            let example = example(ground, examples, file, path)?;
            let start = Start::Envoy(Box::new(changed(example, change)));
            all.push(Contender { name, module, start, kinds, paced, client: Client::Plain });
        }
    }
    Ok(all)
}

fn changed(example: Bootstrap, change: Option<Change>) -> Bootstrap {
    match change {
        Some(change) => example.plugin(change),
        None => example,
    }
}

/// `$BASELINE`, and the examples that go with it: `$BASELINE_EXAMPLES`, or those of today.
fn older() -> Result<Option<(PathBuf, PathBuf)>> {
    let set = |name| var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let Some(module) = set("BASELINE") else { return Ok(None) };
    let module = module.canonicalize().with_context(|| format!("BASELINE: {module:?}"))?;
    let examples = set("BASELINE_EXAMPLES").unwrap_or_else(|| root().join("envoy"));
    Ok(Some((module, examples)))
}
