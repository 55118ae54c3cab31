//! What was measured.

use std::collections::BTreeMap;

use crate::contender::{Contender, Module};
use crate::figures::{Figures, Spread};
use crate::kind::{Kind, Regime};
use crate::load::turn::Turn;

pub(crate) struct Report {
    pub(crate) contenders: Vec<Contender>,
    /// Round by round, by the number of the contender.
    figures: BTreeMap<(Kind, Regime, usize), Vec<Figures>>,
    /// MB that each held at the end of a round.
    memory: BTreeMap<usize, Vec<f64>>,
    tallies: BTreeMap<usize, Tally>,
}

/// Calls, those lost and those misrouted.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) calls: u64,
    pub(crate) lost: u64,
    pub(crate) misrouted: u64,
}

impl Tally {
    pub(crate) fn share_misrouted(self) -> f64 {
        self.misrouted as f64 / self.calls.max(1) as f64
    }
}

impl Report {
    pub(crate) fn new(contenders: Vec<Contender>) -> Self {
        let (figures, memory, tallies) = Default::default();
        Self { contenders, figures, memory, tallies }
    }

    /// Adds what was seen of a contender in one more round.
    pub(crate) fn add(&mut self, kind: Kind, regime: Regime, number: usize, turn: Turn) {
        let tally = self.tallies.entry(number).or_default();
        tally.lost += turn.lost;
        // None is misrouted on another path, which no proxy is told to pin.
        if kind != Kind::AnotherPath && kind.is_of_session() {
            tally.calls += turn.calls;
            tally.misrouted += turn.misrouted;
        }
        self.figures.entry((kind, regime, number)).or_default().push(turn.into());
    }

    pub(crate) fn add_memory(&mut self, number: usize, megabytes: f64) {
        self.memory.entry(number).or_default().push(megabytes);
    }

    /// The contender of this name, with the module as built if it has one.
    pub(crate) fn find(&self, name: &str) -> Option<usize> {
        let is_it = |it: &Contender| it.name == name && it.module != Module::Older;
        self.contenders.iter().position(is_it)
    }

    /// What was measured: each kind and regime, with the contenders that took part.
    pub(crate) fn measured(&self) -> BTreeMap<(Kind, Regime), Vec<usize>> {
        let mut measured = BTreeMap::<_, Vec<_>>::new();
        for &(kind, regime, number) in self.figures.keys() {
            measured.entry((kind, regime)).or_default().push(number);
        }
        measured
    }

    /// The contenders that were asked this, in their order.
    pub(crate) fn taking_part(&self, kind: Kind) -> Vec<usize> {
        self.measured().remove(&(kind, Regime::Full)).unwrap_or_default()
    }

    /// A figure over the rounds.
    pub(crate) fn spread(
        &self,
        kind: Kind,
        regime: Regime,
        number: usize,
        figure: fn(&Figures) -> f64,
    ) -> Option<Spread> {
        let figures = self.figures.get(&(kind, regime, number))?;
        Some(Spread::of(figures.iter().map(figure)))
    }

    /// How many times the cost of another, taken round by round.
    pub(crate) fn ratio(
        &self,
        kind: Kind,
        regime: Regime,
        number: usize,
        other: usize,
    ) -> Option<Spread> {
        let figures = self.figures.get(&(kind, regime, number))?;
        let others = self.figures.get(&(kind, regime, other))?;
        Some(Spread::of(figures.iter().zip(others).map(|(it, other)| it.cost / other.cost)))
    }

    pub(crate) fn memory(&self, number: usize) -> Option<Spread> {
        Some(Spread::of(self.memory.get(&number)?.iter().copied()))
    }

    pub(crate) fn tally(&self, number: usize) -> Tally {
        self.tallies.get(&number).copied().unwrap_or_default()
    }

    /// The contender with the older module beside one with that which is built.
    pub(crate) fn older(&self, number: usize) -> Option<usize> {
        let is_built = self.contenders[number].module == Module::Built;
        let next = self.contenders.get(number + 1)?;
        (is_built && next.module == Module::Older).then_some(number + 1)
    }
}
