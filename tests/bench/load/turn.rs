//! What was seen while requests were sent.

use std::ops::AddAssign;
use std::time::Duration;

#[derive(Clone, Debug, Default)]
pub(crate) struct Turn {
    pub(crate) calls: u64,
    /// Answered by anything but a success.
    pub(crate) lost: u64,
    /// Answered by another pod than the one that opened the session.
    pub(crate) misrouted: u64,
    pub(crate) seconds: f64,
    /// Seconds of a processor that the proxy took.
    pub(crate) processor: f64,
    /// Microseconds that each took.
    latencies: Vec<u32>,
}

impl Turn {
    pub(crate) fn took(&mut self, time: Duration) {
        self.latencies.push(u32::try_from(time.as_micros()).unwrap_or(u32::MAX));
    }

    /// Microseconds of a processor for each request.
    pub(crate) fn cost(&self) -> f64 {
        self.processor * 1e6 / self.calls as f64
    }

    /// Requests in a second.
    pub(crate) fn rate(&self) -> f64 {
        self.calls as f64 / self.seconds
    }

    /// The part of a processor that the proxy took.
    pub(crate) fn busy(&self) -> f64 {
        self.processor / self.seconds
    }

    /// Microseconds within which this part of the requests was answered.
    pub(crate) fn quantile(&mut self, part: f64) -> f64 {
        self.latencies.sort_unstable();
        let place = (part * self.latencies.len() as f64) as usize;
        self.latencies.get(place).or(self.latencies.last()).copied().unwrap_or(0).into()
    }
}

impl AddAssign for Turn {
    fn add_assign(&mut self, other: Self) {
        self.calls += other.calls;
        self.lost += other.lost;
        self.misrouted += other.misrouted;
        self.seconds += other.seconds;
        self.processor += other.processor;
        self.latencies.extend(other.latencies);
    }
}
