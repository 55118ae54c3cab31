//! Podpin as a dynamic module, in the modes that it is measured in.

use anyhow::Result;
use kit::bootstrap::MODULE;
use kit::{native, root};

use super::{BODIES, Contender, Module, Start, example};
use crate::ground::Ground;
use crate::kind::Kind;
use crate::load::session::Client;

pub(super) fn all(ground: &Ground) -> Result<Vec<Contender>> {
    let examples = root().join("envoy");
    let authority = example(ground, &examples, "envoy.yaml", &root().join(MODULE))?.natively();
    let endpoint = example(ground, &examples, "native.yaml", &root().join(native::MODULE))?;
    let all = [("dynamic, authority", authority), ("dynamic, endpoint", endpoint)];
    let contender = |(name, bootstrap)| Contender {
        name,
        module: Module::Built,
        start: Start::Envoy(Box::new(bootstrap)),
        kinds: BODIES,
        paced: &[Kind::Call],
        client: Client::Plain,
    };
    Ok(all.map(contender).into())
}
