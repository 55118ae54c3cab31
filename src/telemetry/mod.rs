//! What is told of the filter's work: decisions, counters, gauges, and notes for access logs.

mod decision;
mod metrics;
mod note;
mod throttle;

pub use decision::Decision;
pub use metrics::{Gauge, Metric, name_in, sessions_name_in, version};
pub use note::Note;
pub use throttle::Throttle;
