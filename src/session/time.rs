//! Points in time, as a proxy tells them.

use std::time::Duration;

/// A point in time, in milliseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// The latest that is kept of a session, in the year 10889: what six bytes hold.
    pub const LATEST: Self = Self((1 << 48) - 1);

    /// The time from `earlier` to this; zero if a clock was set back in between.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// The time between `other` and this, whichever is earlier. What is to happen every so often
    /// goes by this, or it would stop for as long as a clock was set back.
    pub fn apart(self, other: Self) -> Duration {
        Duration::from_millis(self.0.abs_diff(other.0))
    }
}
