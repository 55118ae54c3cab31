//! Real Envoy, the wasm module, and real MCP servers.

use kit::driver::Scene;
use kit::setup::RealEnvoy;

fn driver(scene: Scene) -> RealEnvoy {
    RealEnvoy::start(scene)
}

mod scenarios {
    kit::each_scenario!(super::driver);
}
