//! Which pod a new session gets.

use std::ops::Range;

use super::Ordinal;

/// The ordinals that take new sessions, each as likely as any other.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Placement {
    /// Never empty.
    open: Vec<Ordinal>,
}

impl Placement {
    /// Uniform over `ordinals` without those being drained. `None` if that leaves none.
    pub fn uniform(ordinals: Range<u32>, drain: &[Ordinal]) -> Option<Self> {
        let open: Vec<_> =
            ordinals.map(Ordinal).filter(|ordinal| !drain.contains(ordinal)).collect();
        (!open.is_empty()).then_some(Self { open })
    }

    /// The ordinal that `random`, uniform over all of `u64`, selects. The bias is below
    /// `replicas / 2^64`.
    pub fn pick(&self, random: u64) -> Ordinal {
        let index = (u128::from(random) * self.open.len() as u128) >> 64;
        self.open.get(index as usize).copied().unwrap_or(Ordinal(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn equal_parts_of_the_range_go_to_each_ordinal() {
        let placement = Placement::uniform(0..4, &[Ordinal(1)]).unwrap();
        let third = u64::MAX / 3;
        for (random, ordinal) in [(0, 0), (third, 0), (third + 1, 2), (u64::MAX, 3)] {
            assert_eq!(placement.pick(random), Ordinal(ordinal), "{random}");
        }
    }

    #[test]
    fn a_workload_with_every_pod_drained_places_nothing() {
        assert_eq!(Placement::uniform(0..1, &[Ordinal(0)]), None);
        assert_eq!(Placement::uniform(0..0, &[]), None);
    }

    proptest! {
        #[test]
        fn a_drained_ordinal_is_never_picked(
            first in 0u32..20,
            replicas in 1u32..50,
            drain in prop::collection::vec((0u32..50).prop_map(Ordinal), 0..10),
            random: u64,
        ) {
            if let Some(placement) = Placement::uniform(first..first + replicas, &drain) {
                let picked = placement.pick(random);
                prop_assert!((first..first + replicas).contains(&picked.0) && !drain.contains(&picked));
            }
        }
    }
}
