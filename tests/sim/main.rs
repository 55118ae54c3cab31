//! The core in a simulated host: every scenario, with virtual time.

mod host;

use kit::driver::Scene;
use kit::model::Model;

fn driver(scene: Scene) -> Model<host::Sim> {
    Model::new(scene)
}

kit::each_scenario!(driver);
kit::each_timed_scenario!(driver);
