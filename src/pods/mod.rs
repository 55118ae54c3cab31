//! The pods of a workload: their names, and which of them get new sessions.

mod placement;
mod stateful_set;

pub use placement::Placement;
pub use stateful_set::{MAX_FIRST_ORDINAL, MAX_REPLICAS, Ordinal, StatefulSet};
