//! The core in a simulated host: every scenario, with virtual time.

mod callouts;
mod host;

mod scenarios {
    kit::each_model_scenario!(crate::host::Sim);
}
