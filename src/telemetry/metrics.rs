//! Every counter, by name.

use super::Decision;

/// A counter of events since the proxy started. Envoy shows it as `wasmcustom.<name>`, and to
/// Prometheus as `<name>`.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Metric {
    /// Exchanges about which this was decided.
    Decided(Decision),
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
    /// Those that count no decision.
    const OTHERS: [Self; 8] = [
        Self::Evicted,
        Self::Stripped,
        Self::RandomMissing,
        Self::StoreAsked,
        Self::StoreFaults,
        Self::StoreSkipped,
        Self::StoreUntrusted,
        Self::NotShared,
    ];

    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        Decision::ALL.into_iter().map(Self::Decided).chain(Self::OTHERS)
    }

    /// Its place among all of them.
    pub fn place(self) -> usize {
        match self {
            Self::Decided(decision) => decision as usize,
            other => {
                let others = Self::OTHERS.iter().take_while(|metric| **metric != other);
                Decision::ALL.len() + others.count()
            }
        }
    }

    /// Its name. Each scope has counters of its own; a proxy makes that a label.
    pub fn name(self) -> String {
        let word = match self {
            Self::Decided(decision) => decision.name(),
            Self::Evicted => "evicted",
            Self::Stripped => "stripped",
            Self::RandomMissing => "random_missing",
            Self::StoreAsked => "store_asked",
            Self::StoreFaults => "store_faults",
            Self::StoreSkipped => "store_skipped",
            Self::StoreUntrusted => "store_untrusted",
            Self::NotShared => "not_shared",
        };
        format!("podpin_{word}_total")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_metrics_are_listed_at_their_place_by_names_of_their_own() {
        for (place, metric) in Metric::all().enumerate() {
            assert_eq!(metric.place(), place, "{}", metric.name());
        }
        let names: std::collections::BTreeSet<_> = Metric::all().map(Metric::name).collect();
        assert_eq!(names.len(), Metric::all().count());
        assert!(names.contains("podpin_bad_session_id_total"));
    }
}
