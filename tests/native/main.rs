//! Real Envoy, the dynamic module, and real MCP servers.

mod abi;
mod configuration;
mod cut_off;
mod gateway;
mod gone;
mod metrics;
mod panics;
mod properties;
mod reload;
mod shared;

use kit::bootstrap::Bootstrap;
use kit::pods::App;
use kit::setup::Setup;

mod scenarios {
    mod shared_data {
        kit::each_scenario!(kit::setup::RealEnvoy::native);
        kit::each_scenario_of_original_dst!(kit::setup::RealEnvoy::native);
        kit::each_modern_scenario!(kit::setup::RealEnvoy::native;
            authority: Authority, dynamic_host: DynamicHost;
            endpoint: Endpoint, override_host: OverrideHost, original_dst: OriginalDst);
    }

    mod sealed {
        kit::each_sealed_scenario!(kit::setup::RealEnvoy::native_sealed);
    }

    mod webdis {
        fn driver(scene: kit::driver::Scene) -> kit::setup::RealEnvoy {
            kit::setup::RealEnvoy::native_with_redis(scene, kit::mini_redis::Front::Webdis)
        }
        kit::each_scenario!(driver);
        mod modern {
            mod authority {
                use super::super::*;
                kit::scenario_tests! { driver, Authority;
                    a_remembered_key_keeps_its_pod,
                    a_task_keeps_its_pod,
                }
            }
            mod endpoint {
                use super::super::*;
                kit::scenario_tests! { driver, Endpoint;
                    a_remembered_key_keeps_its_pod,
                    a_task_keeps_its_pod,
                }
            }
        }
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
