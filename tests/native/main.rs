//! Real Envoy, the dynamic module, and real MCP servers.

mod abi;
mod configuration;
mod gone;
mod metrics;
mod panics;
mod reload;

use kit::bootstrap::Bootstrap;
use kit::pods::App;
use kit::setup::Setup;

mod scenarios {
    mod shared_data {
        kit::each_scenario!(kit::setup::RealEnvoy::native);
        kit::each_scenario_of_original_dst!(kit::setup::RealEnvoy::native);
    }

    mod sealed {
        kit::each_sealed_scenario!(kit::setup::RealEnvoy::native_sealed);
    }

    mod webdis {
        fn driver(scene: kit::driver::Scene) -> kit::setup::RealEnvoy {
            kit::setup::RealEnvoy::native_with_redis(scene, kit::mini_redis::Front::Webdis)
        }
        kit::each_scenario!(driver);
    }

    mod upstash {
        fn driver(scene: kit::driver::Scene) -> kit::setup::RealEnvoy {
            kit::setup::RealEnvoy::native_with_redis(scene, kit::mini_redis::Front::Upstash)
        }
        kit::each_scenario!(driver);
    }
}

/// The example with MCP servers behind it.
async fn changed(change: impl FnOnce(Bootstrap) -> Bootstrap) -> Setup {
    Setup::start("native.yaml", App::Stateful, change).await.expect("the set-up starts")
}
