//! What is told of the filter's work: decisions, counters, and notes for access logs.

mod decision;
mod metrics;

pub use decision::Decision;
pub use metrics::Metric;
