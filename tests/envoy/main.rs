//! Real Envoy, the wasm module, and real MCP servers.

mod configuration;
mod demo;
mod load;
mod malformed;
mod streams;
mod table;
mod untouched;

use kit::bootstrap::Bootstrap;
use kit::driver::Scene;
use kit::pods::App;
use kit::setup::{RealEnvoy, Setup};

mod scenarios {
    kit::each_scenario!(super::driver);
}

fn driver(scene: Scene) -> RealEnvoy {
    RealEnvoy::start(scene)
}

/// The main example with MCP servers behind it.
async fn setup() -> Setup {
    changed(|bootstrap| bootstrap).await
}

async fn changed(change: impl FnOnce(Bootstrap) -> Bootstrap) -> Setup {
    Setup::start("envoy.yaml", App::Stateful, change).await.expect("the set-up starts")
}
