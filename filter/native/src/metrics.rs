//! Counters and gauges as Envoy's, the scope a label of each.

use podpin::pods::Ordinal;
use podpin::session::Scope;
use podpin::telemetry::{Gauge, Metric};

use crate::envoy::{Main, MetricId};

const SCOPE: &str = "scope";

/// The metrics of one configuration.
pub(crate) struct Metrics {
    scope: String,
    /// In the order of [`Metric::all`].
    counters: Vec<MetricId>,
    /// In the order of [`Gauge::ALL`].
    gauges: Vec<MetricId>,
    sessions: MetricId,
    /// Hooks that panicked.
    panics: MetricId,
}

/// One change of a metric, as it goes to Envoy.
pub(crate) struct Change<'a, const LABELS: usize> {
    pub(crate) id: MetricId,
    pub(crate) labels: [&'a str; LABELS],
}

// === impl Metrics ===

impl Metrics {
    /// Defines all of them; `None` if Envoy does not let that be.
    pub(crate) fn define(main: &Main<'_>, scope: &Scope) -> Option<Self> {
        let counter = |metric: Metric| main.define_counter(&metric.name(), &[SCOPE]);
        let gauge = |gauge: Gauge| main.define_gauge(gauge.name(), &[SCOPE]);
        Some(Self {
            scope: scope.label(),
            counters: Metric::all().map(counter).collect::<Option<_>>()?,
            gauges: Gauge::ALL.into_iter().map(gauge).collect::<Option<_>>()?,
            sessions: main.define_gauge("podpin_sessions", &[SCOPE, "ordinal"])?,
            panics: main.define_counter("podpin_panicked_total", &[SCOPE, "hook"])?,
        })
    }

    pub(crate) fn counter(&self, metric: Metric) -> Option<Change<'_, 1>> {
        let id = *self.counters.get(metric.place())?;
        Some(Change { id, labels: [&self.scope] })
    }

    pub(crate) fn gauge(&self, gauge: Gauge) -> Option<Change<'_, 1>> {
        let id = *self.gauges.get(gauge as usize)?;
        Some(Change { id, labels: [&self.scope] })
    }

    pub(crate) fn sessions<'a>(&'a self, pod: &'a str) -> Change<'a, 2> {
        Change { id: self.sessions, labels: [&self.scope, pod] }
    }

    pub(crate) fn panics<'a>(&'a self, hook: &'a str) -> Change<'a, 2> {
        Change { id: self.panics, labels: [&self.scope, hook] }
    }

    /// How a pod is told in a label.
    pub(crate) fn pod(pod: Ordinal) -> String {
        pod.to_string()
    }
}
