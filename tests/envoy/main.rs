//! Real Envoy, the wasm module, and real MCP servers.

mod authorization;
mod coming;
mod configuration;
mod crash;
mod demo;
mod dns;
mod endpoints;
mod examples;
mod gateway;
mod identity;
mod ipv6;
mod keys;
mod load;
mod malformed;
mod methods;
mod metrics;
mod moved;
mod neighbours;
mod observability;
mod opening;
mod orphans;
mod readiness;
mod redirected;
mod redis;
mod resets;
mod retries;
mod sealed;
mod streams;
mod table;
mod untouched;
mod update;
mod vm;

use kit::bootstrap::Bootstrap;
use kit::pods::App;
use kit::setup::Setup;

mod scenarios {
    mod shared_data {
        kit::each_scenario!(kit::setup::RealEnvoy::start);
        kit::each_scenario_of_original_dst!(kit::setup::RealEnvoy::start);
        kit::each_modern_scenario!(kit::setup::RealEnvoy::start;
            authority: Authority, dynamic_host: DynamicHost;
            endpoint: Endpoint, override_host: OverrideHost, original_dst: OriginalDst);
    }

    /// Through what Envoy Gateway makes of `gateway/example`.
    mod envoy_gateway {
        fn driver(scene: kit::driver::Scene) -> kit::setup::RealEnvoy {
            kit::setup::RealEnvoy::in_gateway(scene)
        }
        kit::common_scenarios!(driver, Endpoint);
        kit::scenario_tests! { driver, Endpoint; the_authority_is_left_alone, }
    }

    mod sealed {
        kit::each_sealed_scenario!(kit::setup::RealEnvoy::sealed);
    }

    mod webdis {
        fn driver(scene: kit::driver::Scene) -> kit::setup::RealEnvoy {
            kit::setup::RealEnvoy::with_redis(scene, kit::mini_redis::Front::Webdis)
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
            kit::setup::RealEnvoy::with_redis(scene, kit::mini_redis::Front::Upstash)
        }
        kit::each_scenario!(driver);
    }
}

/// The main example with MCP servers behind it.
async fn setup() -> Setup {
    changed(|bootstrap| bootstrap).await
}

async fn changed(change: impl FnOnce(Bootstrap) -> Bootstrap) -> Setup {
    Setup::start("envoy.yaml", App::Stateful, change).await.expect("the set-up starts")
}
