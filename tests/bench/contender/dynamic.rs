//! Podpin as a dynamic module, in the modes that it is measured in, and a module that decides nothing.

use std::path::Path;

use anyhow::Result;
use kit::bootstrap::{Bootstrap, MODULE};
use kit::{native, root};

use super::{BODIES, Contender, Module, Start, example};
use crate::ground::Ground;
use crate::kind::Kind;
use crate::load::session::Client;

/// A dynamic module that does nothing, below the root of the repository.
const NOOP: &str = "dist/libnoop.so";

/// The header by which clients return the endpoint that a response of that module named.
const ENDPOINT: &str = "x-podpin-endpoint";

pub(super) fn all(ground: &Ground) -> Result<Vec<Contender>> {
    let [module, noop] = [native::MODULE, NOOP].map(|file| root().join(file));
    let examples = root().join("envoy");
    let authority = |module: &Path| {
        let example = example(ground, &examples, "envoy.yaml", &root().join(MODULE))?;
        anyhow::Ok(example.natively_by(module))
    };
    let endpoint = |module: &Path| example(ground, &examples, "native.yaml", module);
    let asks = |example: Bootstrap, calls: &str| example.plugin(|plugin| *plugin = calls.into());
    let (plain, by_pod) = (Client::Plain, Client::NamesPod(ground.pods));
    let returns = Client::Returns(ENDPOINT);
    let of_noop = [
        ("no-op, dynamic", asks(endpoint(&noop)?, ""), plain),
        ("calls of dynamic, authority", asks(authority(&noop)?, "authority"), by_pod),
        ("calls of dynamic, endpoint", asks(endpoint(&noop)?, "endpoint"), returns),
    ];
    let of_noop = of_noop.map(|(name, bootstrap, client)| Contender {
        client,
        module: Module::None,
        kinds: &[Kind::Call],
        ..contender(name, bootstrap)
    });
    let podpin =
        [("dynamic, authority", authority(&module)?), ("dynamic, endpoint", endpoint(&module)?)];
    let podpin = podpin.map(|(name, bootstrap)| contender(name, bootstrap));
    Ok(of_noop.into_iter().chain(podpin).collect())
}

fn contender(name: &'static str, bootstrap: Bootstrap) -> Contender {
    Contender {
        name,
        module: Module::Built,
        start: Start::Envoy(Box::new(bootstrap)),
        kinds: BODIES,
        paced: &[Kind::Call],
        client: Client::Plain,
    }
}
