//! Real Envoy, the dynamic module, and real MCP servers.

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
