//! Every counter and gauge, by name.

use crate::pods::Ordinal;
use crate::session::Scope;

use super::Decision;

/// A counter of events since the proxy started.
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
    /// Ends of sessions that a worker thread which died had not told the store, and that were told it then.
    TakenOver,
    /// Requests by which pods were asked whether they know a session.
    Pinged,
    /// Pods that could not be reached and so get no new sessions for a while.
    Ejected,
    /// Of these, those that get new sessions again.
    Readmitted,
    /// Requests that missed their endpoint, although it answers others: steering has no effect.
    Unsteered,
    /// Keys and tasks whose pod was written down.
    Kept,
}

impl Metric {
    /// Those that count no decision.
    const OTHERS: [Self; 14] = [
        Self::Evicted,
        Self::Stripped,
        Self::RandomMissing,
        Self::StoreAsked,
        Self::StoreFaults,
        Self::StoreSkipped,
        Self::StoreUntrusted,
        Self::NotShared,
        Self::TakenOver,
        Self::Pinged,
        Self::Ejected,
        Self::Readmitted,
        Self::Unsteered,
        Self::Kept,
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

    /// Its name, the same for all scopes.
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
            Self::TakenOver => "taken_over",
            Self::Pinged => "pinged",
            Self::Ejected => "ejected",
            Self::Readmitted => "readmitted",
            Self::Unsteered => "unsteered",
            Self::Kept => "kept",
        };
        format!("podpin_{word}_total")
    }
}

/// A number that is so at present.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Gauge {
    /// The version of the module that last took a configuration, as [`version`] tells it.
    Version,
    /// How many pods get no new sessions because they cannot be reached.
    Ejected,
}

// === impl Gauge ===

impl Gauge {
    /// All of them, in order.
    pub const ALL: [Self; 2] = [Self::Version, Self::Ejected];

    /// Its name, the same for all scopes.
    pub fn name(self) -> &'static str {
        match self {
            Self::Version => "podpin_version",
            Self::Ejected => "podpin_ejected",
        }
    }
}

/// The name of a metric of one scope, for a proxy that knows no labels: it has the form in which
/// Istio has Envoy make a label of a part of the name. Nothing in the scope can end its part early,
/// since bytes of it other than letters, digits and `-_./` are written `_`.
pub fn name_in(scope: &Scope, name: &str) -> String {
    format!("scope=.={};.;{name}", scope.label())
}

/// The name of the gauge of how many sessions live on a pod, likewise.
pub fn sessions_name_in(scope: &Scope, pod: Ordinal) -> String {
    name_in(scope, &format!("ordinal=.={pod};.;podpin_sessions"))
}

/// The version of this module as one number: 2000 for 0.2.0, 1002003 for 1.2.3.
pub fn version() -> u64 {
    number([
        env!("CARGO_PKG_VERSION_MAJOR"),
        env!("CARGO_PKG_VERSION_MINOR"),
        env!("CARGO_PKG_VERSION_PATCH"),
    ])
}

fn number(parts: [&str; 3]) -> u64 {
    parts.into_iter().fold(0, |number, part| number * 1000 + part.parse().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn all_metrics_are_listed_at_their_place_by_names_of_their_own() {
        for (place, metric) in Metric::all().enumerate() {
            assert_eq!(metric.place(), place, "{}", metric.name());
        }
        let names: std::collections::BTreeSet<_> = Metric::all().map(Metric::name).collect();
        assert_eq!(names.len(), Metric::all().count());
        assert!(names.contains("podpin_bad_session_id_total"));
        for (place, gauge) in Gauge::ALL.into_iter().enumerate() {
            assert_eq!(gauge as usize, place, "{}", gauge.name());
            assert!(!names.contains(gauge.name()));
        }
    }

    #[test]
    fn a_version_is_one_number() {
        for (parts, wanted) in [
            (["0", "2", "0"], 2000),
            (["0", "2", "1"], 2001),
            (["1", "2", "3"], 1_002_003),
            (["12", "0", "999"], 12_000_999),
        ] {
            assert_eq!(number(parts), wanted);
        }
        assert!(version() >= 2000);
    }

    proptest! {
        /// What Istio's tag takes for the value ends at the first `;.;`.
        #[test]
        fn no_scope_breaks_out_of_its_part_of_a_name(scope in "[!-~]{1,40}|[;.=]{1,9}|.{1,9}") {
            let scope = Scope::new(scope);
            let name = name_in(&scope, "podpin_version");
            let label = scope.label();
            let wanted = Some((label.as_str(), "podpin_version"));
            let rest = name.strip_prefix("scope=.=");
            prop_assert_eq!(rest.and_then(|rest| rest.split_once(";.;")), wanted);
        }
    }
}
