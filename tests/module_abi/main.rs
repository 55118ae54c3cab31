//! The whole dynamic module in an Envoy of its ABI that runs in this process, in the two ways in which Envoys let
//! go of streams.

mod bench;
mod envoy;
mod interleaved;
mod panics;
mod reentry;
mod threads;

mod scenarios {
    mod at_once {
        kit::each_model_scenario!(crate::envoy::Envoy<39>);
    }

    mod later {
        kit::each_model_scenario!(crate::envoy::Envoy<40>);
    }
}
