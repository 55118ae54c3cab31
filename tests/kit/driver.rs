//! What a scenario runs on: the filter in some host, with pods behind it.

use std::time::Duration;

use serde_json::Value;

use crate::client::{Ask, Got};
use crate::mode::Mode;
use crate::pods::App;

/// The filter, in some host.
pub trait Driver {
    /// Sends one request and waits for its response; of a GET, only for the head.
    fn send(&mut self, ask: Ask) -> Got;

    /// Opens a stream, waits for its first event, and keeps it open until [`Driver::hang_up`].
    fn listen(&mut self, ask: Ask) -> (Got, String);

    /// Ends that stream.
    fn hang_up(&mut self);

    /// Makes a pod forget all it has in memory, and starts it if it was stopped.
    fn restart(&mut self, ordinal: usize);

    /// Stops a pod, so that it takes no connections.
    fn stop(&mut self, ordinal: usize);

    /// Waits until one of the filter's counters is so high.
    fn counts_to(&mut self, name: &str, count: u64);

    /// One of the filter's counters, by its name without `podpin_` and `_total`.
    fn counter(&mut self, name: &str) -> u64;

    /// Decision and pod of the last request, as an access log shows them.
    fn noted(&mut self) -> (String, String);

    /// What an access log calls the pod of this ordinal.
    fn place(&self, ordinal: usize) -> String;
}

/// A driver that rules over time.
pub trait VirtualTime: Driver {
    /// Lets time pass.
    fn advance(&mut self, time: Duration);

    /// Opens a stream with a GET, and keeps it open until [`VirtualTime::close`].
    fn hold(&mut self, ask: Ask);

    /// Ends what is held open.
    fn close(&mut self);
}

/// What a scenario needs.
#[derive(Clone, Copy)]
pub struct Scene {
    pub pods: App,
    /// How requests are steered.
    pub mode: Mode,
    /// Changes the filter's configuration, which is that of the mode's example.
    pub configure: fn(&mut Value),
}

impl Default for Scene {
    fn default() -> Self {
        Self { pods: App::Stateful, mode: Mode::Authority, configure: |_| {} }
    }
}
