//! The core in a simulated host: every scenario, with virtual time.

mod addresses;
mod by_hand;
mod callouts;
mod counts;
mod lacks;
mod orphans;
mod pings;
mod records;
mod strangers;
mod ticks;
mod write_back;

mod scenarios {
    kit::each_model_scenario!(simulated::Sim);
}
