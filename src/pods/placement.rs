//! Which pod a new session gets.

use std::ops::Range;

use super::Ordinal;

/// The ordinals that take new sessions.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Placement {
    /// Never empty.
    open: Vec<Ordinal>,
    spread: Spread,
}

/// How new sessions are spread over those.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Spread {
    /// Each is as likely as any other.
    #[default]
    Random,
    /// Of two at random, the one with fewer sessions.
    LeastSessions,
}

impl Placement {
    /// On `ordinals` without those being drained. `None` if that leaves none.
    pub fn on(ordinals: Range<u32>, drain: &[Ordinal], spread: Spread) -> Option<Self> {
        let open: Vec<_> =
            ordinals.map(Ordinal).filter(|ordinal| !drain.contains(ordinal)).collect();
        (!open.is_empty()).then_some(Self { open, spread })
    }

    /// How new sessions are spread.
    pub fn spread(&self) -> Spread {
        self.spread
    }

    /// One at random of those that are not out, each as likely as any other; `None` if all are out.
    /// Each `random` is uniform over all of `u64`; the bias is below `replicas / 2^64`.
    pub fn draw(
        &self,
        mut random: impl FnMut() -> u64,
        is_out: impl Fn(Ordinal) -> bool,
    ) -> Option<Ordinal> {
        /// While most are in, one of so many draws hits one of those.
        const DRAWS: usize = 4;
        for _ in 0..DRAWS {
            match select(&self.open, random()) {
                Some(ordinal) if !is_out(ordinal) => return Some(ordinal),
                _ => {}
            }
        }
        let there: Vec<_> = self.open.iter().copied().filter(|one| !is_out(*one)).collect();
        select(&there, random())
    }

    /// Of those that fit, the one with the greatest weight.
    pub fn heaviest(
        &self,
        weight: impl Fn(Ordinal) -> u64,
        fits: impl Fn(Ordinal) -> bool,
    ) -> Option<Ordinal> {
        self.open.iter().copied().filter(|one| fits(*one)).max_by_key(|one| weight(*one))
    }

    /// The lowest that fits.
    pub fn lowest(&self, fits: impl Fn(Ordinal) -> bool) -> Option<Ordinal> {
        self.open.iter().copied().find(|one| fits(*one))
    }
}

fn select(ordinals: &[Ordinal], random: u64) -> Option<Ordinal> {
    let index = (u128::from(random) * ordinals.len() as u128) >> 64;
    ordinals.get(index as usize).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn on(ordinals: Range<u32>, drain: &[Ordinal]) -> Option<Placement> {
        Placement::on(ordinals, drain, Spread::Random)
    }

    #[test]
    fn equal_parts_of_the_range_go_to_each_ordinal() {
        let placement = on(0..4, &[Ordinal(1)]).unwrap();
        let third = u64::MAX / 3;
        for (random, ordinal) in [(0, 0), (third, 0), (third + 1, 2), (u64::MAX, 3)] {
            assert_eq!(placement.draw(|| random, |_| false), Some(Ordinal(ordinal)), "{random}");
        }
        for (random, ordinal) in [(0, 2), (third, 2), (u64::MAX, 3)] {
            let is_out = |ordinal| ordinal == Ordinal(0);
            assert_eq!(placement.draw(|| random, is_out), Some(Ordinal(ordinal)), "{random}");
        }
        assert_eq!(placement.draw(|| 5, |_| true), None);
    }

    #[test]
    fn a_workload_with_every_pod_drained_places_nothing() {
        assert_eq!(on(0..1, &[Ordinal(0)]), None);
        assert_eq!(on(0..0, &[]), None);
    }

    proptest! {
        #[test]
        fn none_is_drawn_that_is_drained_or_out(
            first in 0u32..20,
            replicas in 1u32..50,
            drain in prop::collection::vec((0u32..50).prop_map(Ordinal), 0..10),
            out in prop::collection::vec((0u32..50).prop_map(Ordinal), 0..50),
            random: u64,
        ) {
            if let Some(placement) = on(first..first + replicas, &drain) {
                let fits = |one: &Ordinal| {
                    (first..first + replicas).contains(&one.0) && !drain.contains(one) && !out.contains(one)
                };
                let drawn = placement.draw(|| random, |one| out.contains(&one));
                prop_assert!(drawn.is_none_or(|drawn| fits(&drawn)));
                prop_assert_eq!(drawn.is_none(), !(0..100).map(Ordinal).any(|one| fits(&one)));
            }
        }
    }
}
