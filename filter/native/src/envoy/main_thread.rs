//! What can be asked of a configuration.

use std::marker::PhantomData;

use crate::abi::{self, ConfigPtr};

use super::{ConfigScheduler, MetricId, field, of};

/// A configuration, while one of its hooks runs, on the main thread.
pub(crate) struct Main<'h> {
    config: ConfigPtr,
    _hook: PhantomData<(&'h mut (), *mut ())>,
}

/// How an HTTP request that a configuration makes is named.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) struct SentId(pub(crate) u64);

/// A request of a configuration's own.
pub(crate) struct Request<'a> {
    pub(crate) cluster: &'a str,
    pub(crate) fields: &'a [(&'a str, &'a [u8])],
    pub(crate) body: &'a [u8],
    pub(crate) milliseconds: u64,
}

// === impl Main ===

impl Main<'_> {
    /// # Safety
    ///
    /// As [`super::Hook::new`]'s, for hooks of a configuration on the main thread.
    pub(crate) unsafe fn new(config: ConfigPtr) -> Self {
        Self { config, _hook: PhantomData }
    }

    /// Only while the configuration is new, as the next.
    pub(crate) fn define_counter(&self, name: &str, labels: &[&str]) -> Option<MetricId> {
        let (labels, mut id) = (labels.iter().map(of).collect::<Vec<_>>(), 0);
        let (data, count) = (labels.as_ptr(), labels.len());
        let refused = unsafe {
            abi::http_filter_config_define_counter(self.config, of(name), data, count, &raw mut id)
        };
        (refused == 0).then_some(MetricId(id))
    }

    pub(crate) fn define_gauge(&self, name: &str, labels: &[&str]) -> Option<MetricId> {
        let (labels, mut id) = (labels.iter().map(of).collect::<Vec<_>>(), 0);
        let (data, count) = (labels.as_ptr(), labels.len());
        let refused = unsafe {
            abi::http_filter_config_define_gauge(self.config, of(name), data, count, &raw mut id)
        };
        (refused == 0).then_some(MetricId(id))
    }

    pub(crate) fn count(&self, MetricId(id): MetricId, labels: &[&str], value: u64) {
        let labels: Vec<_> = labels.iter().map(of).collect();
        let (data, count) = (labels.as_ptr(), labels.len());
        unsafe {
            abi::http_filter_config_increment_counter(self.config, id, data, count, value);
        }
    }

    pub(crate) fn set_gauge(&self, MetricId(id): MetricId, labels: &[&str], value: u64) {
        let labels: Vec<_> = labels.iter().map(of).collect();
        let (data, count) = (labels.as_ptr(), labels.len());
        unsafe { abi::http_filter_config_set_gauge(self.config, id, data, count, value) };
    }

    pub(crate) fn scheduler(&self) -> ConfigScheduler {
        unsafe { ConfigScheduler::new(self.config) }
    }

    /// Sends a request. Its response comes by a hook, perhaps before this returns; `None` if it cannot be
    /// sent.
    pub(crate) fn send(&self, request: &Request<'_>) -> Option<SentId> {
        let fields: Vec<_> = request.fields.iter().map(field).collect();
        let mut id = 0;
        let refused = unsafe {
            abi::http_filter_config_http_callout(
                self.config,
                &raw mut id,
                of(request.cluster),
                fields.as_ptr(),
                fields.len(),
                of(request.body),
                request.milliseconds,
            )
        };
        (refused == 0).then_some(SentId(id))
    }
}
