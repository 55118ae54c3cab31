//! The proxies that are compared.

mod dynamic;
pub(crate) mod haproxy;
mod native;
mod podpin;

use std::path::Path;

use anyhow::Result;
use kit::bootstrap::{self, Bootstrap};
use kit::root;

use crate::ground::Ground;
use crate::kind::{Kind, Regime};
use crate::load::session::Client;

/// A proxy to start, and what it is asked.
pub(crate) struct Contender {
    pub(crate) name: &'static str,
    pub(crate) module: Module,
    pub(crate) start: Start,
    pub(crate) kinds: &'static [Kind],
    /// Those of them that are also asked at a fixed rate.
    pub(crate) paced: &'static [Kind],
    pub(crate) client: Client,
}

pub(crate) enum Start {
    Envoy(Box<Bootstrap>),
    /// With pods on this port.
    HaProxy(u16),
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Module {
    None,
    Built,
    /// That of `$BASELINE`.
    Older,
}

/// All kinds but the large requests without a session, which are about what Podpin reads.
const BODIES: &[Kind] = &[
    Kind::Call,
    Kind::Initialize,
    Kind::Answer(1),
    Kind::Answer(64),
    Kind::Answer(1024),
    Kind::Sent(1024),
    Kind::Events,
];

/// Envoy alone first, for all are compared with it.
pub(crate) fn all(ground: &Ground) -> Result<Vec<Contender>> {
    let mut all = native::all(ground)?;
    all.extend(podpin::all(ground)?);
    all.extend(dynamic::all(ground)?);
    if let Some(only) = only() {
        let mut number = 0;
        all.retain(|contender| {
            number += 1;
            number == 1 || only.iter().any(|name| name == contender.name)
        });
    }
    Ok(all)
}

/// The names in `$ONLY`, between semicolons.
pub(crate) fn only() -> Option<Vec<String>> {
    let names = std::env::var("ONLY").ok().filter(|names| !names.is_empty())?;
    Some(names.split(';').map(|name| name.trim().to_owned()).collect())
}

/// An example on this ground, without its access log: what that costs is the same for all.
pub(crate) fn example(
    ground: &Ground,
    directory: &Path,
    file: &str,
    module: &Path,
) -> Result<Bootstrap> {
    let mut example = Bootstrap::example_in(directory, file)?
        .port(bootstrap::LISTENER, 0)
        .port(bootstrap::ADMIN, 0)
        .port(bootstrap::DNS, ground.dns.address.port())
        .port(bootstrap::WEBDIS, ground.webdis.address.port())
        .port(bootstrap::POD, ground.pods)
        .with_module(module)
        .without_tls();
    if let Some(manager) = example.connection_manager().as_object_mut() {
        manager.remove("access_log");
    }
    Ok(example)
}

/// The same with the module as built.
pub(crate) fn example_as_built(ground: &Ground, file: &str) -> Result<Bootstrap> {
    example(ground, &root().join("envoy"), file, &root().join(bootstrap::MODULE))
}

/// Podpin by `authority`, in either form.
pub(crate) fn by_authority(ground: &Ground, is_dynamic: bool) -> Result<Bootstrap> {
    let example = example_as_built(ground, "envoy.yaml")?;
    Ok(if is_dynamic { example.natively() } else { example })
}

impl Contender {
    /// What it is called where modules are told apart.
    pub(crate) fn title(&self) -> String {
        match self.module {
            Module::None => self.name.to_owned(),
            Module::Built => format!("Podpin, {}", self.name),
            Module::Older => format!("BASELINE, {}", self.name),
        }
    }

    /// It is a filter that decides nothing, but calls Envoy as Podpin does.
    pub(crate) fn only_calls(&self) -> bool {
        native::only_calls(self.name)
    }

    pub(crate) fn measures(&self, kind: Kind, regime: Regime) -> bool {
        let kinds = match regime {
            Regime::Full => self.kinds,
            Regime::Paced => self.paced,
        };
        kinds.contains(&kind)
    }
}
