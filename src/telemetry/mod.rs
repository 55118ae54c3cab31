//! What is told of the filter's work: decisions, counters, and notes for access logs.

mod decision;
mod metrics;
mod note;
mod throttle;

pub use decision::Decision;
pub use metrics::Metric;
pub use note::Note;
pub use throttle::Throttle;
