//! The pods of a workload: where they are, and which of them get new sessions.

mod addresses;
mod ledger;
mod place;
mod placement;
mod stateful_set;

pub use addresses::Addresses;
pub use ledger::{Ejection, Known, Ledger};
pub use place::{Place, Places};
pub use placement::{Placement, Spread};
pub use stateful_set::{MAX_FIRST_ORDINAL, MAX_REPLICAS, Ordinal, StatefulSet};
