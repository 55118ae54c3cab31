//! Every counter, by name.

/// A counter of events since the proxy started. Envoy shows it as `wasmcustom.<name>`, and to
/// Prometheus as `<name>`.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[repr(usize)]
pub enum Metric {
    /// Requests outside the configured paths.
    Elsewhere,
    /// Requests of a protocol version without sessions.
    Sessionless,
    /// Requests without a session id that cannot open a session.
    NoSession,
    /// Requests without a session id that were steered to a new pod.
    Placed,
    /// Requests of a session that were steered to its pod.
    Steered,
    /// Requests answered 400 for their session id.
    BadSessionId,
    /// Requests answered 404 because nothing is known of their session.
    Unknown,
    /// Requests answered 404 because their session had expired.
    Expired,
    /// Requests answered 503 because the store failed.
    StoreFailed,
    /// Requests answered 503 because the proxy refused the steering.
    SteeringRefused,
    /// Sessions bound to the pod that opened them.
    Bound,
    /// Sessions not bound because their id already belongs to a live session on another pod.
    IdTaken,
    /// Placed requests whose answer opened no session.
    NotBound,
    /// Sessions not bound because the pod gave out an id that breaks the rules.
    BadIdOfPod,
    /// Bindings undone because the answer turned out to be a JSON-RPC error.
    Undone,
    /// Sessions ended by a DELETE that the pod accepted.
    Ended,
    /// DELETE requests that the pod refused; their sessions stay bound.
    EndRefused,
    /// Sessions that their pod no longer knew.
    Lost,
    /// Live sessions that gave way because their bucket of the table was full.
    Evicted,
    /// Requests from which a client's steering headers were removed.
    Stripped,
    /// Placements for which the host had no random number.
    RandomMissing,
    /// Lookups that the near cache could not answer, so that the store was asked.
    StoreAsked,
    /// Requests to the store that it failed to answer as it should.
    StoreFaults,
    /// Requests to the store that were not made because it kept failing.
    StoreSkipped,
    /// Values in the store that were not trusted.
    StoreUntrusted,
    /// Sessions that only this proxy knows, because the store failed.
    NotShared,
}

impl Metric {
    /// All of them, in the order of their values.
    pub const ALL: [Self; 26] = [
        Self::Elsewhere,
        Self::Sessionless,
        Self::NoSession,
        Self::Placed,
        Self::Steered,
        Self::BadSessionId,
        Self::Unknown,
        Self::Expired,
        Self::StoreFailed,
        Self::SteeringRefused,
        Self::Bound,
        Self::IdTaken,
        Self::NotBound,
        Self::BadIdOfPod,
        Self::Undone,
        Self::Ended,
        Self::EndRefused,
        Self::Lost,
        Self::Evicted,
        Self::Stripped,
        Self::RandomMissing,
        Self::StoreAsked,
        Self::StoreFaults,
        Self::StoreSkipped,
        Self::StoreUntrusted,
        Self::NotShared,
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Elsewhere => "podpin_elsewhere_total",
            Self::Sessionless => "podpin_sessionless_total",
            Self::NoSession => "podpin_no_session_total",
            Self::Placed => "podpin_placed_total",
            Self::Steered => "podpin_steered_total",
            Self::BadSessionId => "podpin_bad_session_id_total",
            Self::Unknown => "podpin_unknown_total",
            Self::Expired => "podpin_expired_total",
            Self::StoreFailed => "podpin_store_failed_total",
            Self::SteeringRefused => "podpin_steering_refused_total",
            Self::Bound => "podpin_bound_total",
            Self::IdTaken => "podpin_id_taken_total",
            Self::NotBound => "podpin_not_bound_total",
            Self::BadIdOfPod => "podpin_bad_id_of_pod_total",
            Self::Undone => "podpin_undone_total",
            Self::Ended => "podpin_ended_total",
            Self::EndRefused => "podpin_end_refused_total",
            Self::Lost => "podpin_lost_total",
            Self::Evicted => "podpin_evicted_total",
            Self::Stripped => "podpin_stripped_total",
            Self::RandomMissing => "podpin_random_missing_total",
            Self::StoreAsked => "podpin_store_asked_total",
            Self::StoreFaults => "podpin_store_faults_total",
            Self::StoreSkipped => "podpin_store_skipped_total",
            Self::StoreUntrusted => "podpin_store_untrusted_total",
            Self::NotShared => "podpin_not_shared_total",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_metrics_are_listed_at_their_place() {
        for (place, metric) in Metric::ALL.into_iter().enumerate() {
            assert_eq!(metric as usize, place, "{}", metric.name());
        }
        let names: std::collections::BTreeSet<_> = Metric::ALL.map(Metric::name).into();
        assert_eq!(names.len(), Metric::ALL.len());
    }
}
