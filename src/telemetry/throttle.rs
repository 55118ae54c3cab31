//! Keeps the log from being flooded.

use std::time::Duration;

use crate::session::Timestamp;

/// Lets something be told to the log now and then only.
#[derive(Clone, Copy, Debug, Default)]
pub struct Throttle(Option<Timestamp>);

impl Throttle {
    /// Whether it may be told at `now`, for the first time in `period`. If so, it counts as told.
    pub fn admits(&mut self, now: Timestamp, period: Duration) -> bool {
        let admits = self.0.is_none_or(|told| now.apart(told) >= period);
        if admits {
            self.0 = Some(now);
        }
        admits
    }
}
