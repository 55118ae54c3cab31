//! What brings events to streams and to the main thread.

use crate::abi::{self, ConfigPtr, ConfigSchedulerPtr, SchedulerPtr, StreamPtr};

/// Brings events to the thread of a stream, for as long as there is that stream.
pub(crate) struct Scheduler(SchedulerPtr);

/// Brings events of a configuration to the main thread, for as long as there is that configuration.
pub(crate) struct ConfigScheduler(ConfigSchedulerPtr);

// === impl Scheduler ===

// SAFETY: Envoy lets any thread use and delete schedulers.
unsafe impl Send for Scheduler {}
unsafe impl Sync for Scheduler {}

impl Scheduler {
    /// # Safety
    ///
    /// As [`super::Hook::new`]'s.
    pub(super) unsafe fn new(stream: StreamPtr) -> Self {
        Self(unsafe { abi::http_filter_scheduler_new(stream) })
    }

    pub(crate) fn commit(&self, event: u64) {
        unsafe { abi::http_filter_scheduler_commit(self.0, event) };
    }
}

impl Drop for Scheduler {
    fn drop(&mut self) {
        unsafe { abi::http_filter_scheduler_delete(self.0) };
    }
}

// SAFETY: as above.
unsafe impl Send for ConfigScheduler {}
unsafe impl Sync for ConfigScheduler {}

impl ConfigScheduler {
    /// # Safety
    ///
    /// As [`super::Main::new`]'s.
    pub(super) unsafe fn new(config: ConfigPtr) -> Self {
        Self(unsafe { abi::http_filter_config_scheduler_new(config) })
    }

    pub(crate) fn commit(&self, event: u64) {
        unsafe { abi::http_filter_config_scheduler_commit(self.0, event) };
    }
}

impl Drop for ConfigScheduler {
    fn drop(&mut self) {
        unsafe { abi::http_filter_config_scheduler_delete(self.0) };
    }
}
