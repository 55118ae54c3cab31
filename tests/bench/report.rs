//! What was measured, as a table, and the bounds that it must keep.

use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};

use crate::contender::{Contender, Module};
use crate::kind::Kind;

/// Times bare Envoy's cost for the largest request without a session.
const LARGE_POST: f64 = 1.6;

/// Times the older module's cost, in any mode.
const OLDER: f64 = 1.05;

/// Times the cost of steering by `:authority` with a store in memory, of a call in another mode or with another
/// store.
const OF_AUTHORITY: [(&str, f64); 2] = [("endpoint", 1.0), ("sealed", 1.03)];

pub(crate) struct Report<'a> {
    contenders: &'a [Contender],
    /// Microseconds for each request, round by round, by kind and number of the contender.
    costs: BTreeMap<(Kind, usize), Vec<f64>>,
}

/// A bound, and whether it is kept.
pub(crate) struct Rule {
    pub(crate) text: String,
    pub(crate) is_kept: bool,
}

/// Median and quartiles.
struct Spread {
    low: f64,
    median: f64,
    high: f64,
}

impl<'a> Report<'a> {
    pub(crate) fn new(contenders: &'a [Contender]) -> Self {
        Self { contenders, costs: BTreeMap::new() }
    }

    /// Adds what a contender needed in one more round.
    pub(crate) fn add(&mut self, kind: Kind, contender: usize, cost: f64) {
        self.costs.entry((kind, contender)).or_default().push(cost);
    }

    pub(crate) fn rules(&self) -> Vec<Rule> {
        let mut rules = Vec::new();
        for &(kind, number) in self.costs.keys() {
            let name = format!("{}, {}", kind.name(), self.contenders[number].name);
            let is_built = self.contenders[number].module == Module::Built;
            if is_built && kind == Kind::Post(256) {
                let ratio = self.ratio(kind, number, 0).median;
                rules.push(Rule::at_most(LARGE_POST, ratio, &format!("x bare Envoy: {name}")));
            }
            let bound = OF_AUTHORITY.iter().find(|(it, _)| *it == self.contenders[number].name);
            if let (Some((_, bound)), Kind::Call) = (bound, kind) {
                let authority = self.contenders.iter().position(|it| it.name == "authority");
                let Some(authority) = authority else { continue };
                let ratio = self.ratio(kind, number, authority).median;
                rules.push(Rule::at_most(*bound, ratio, &format!("x authority: {name}")));
            }
            if let Some(older) = self.older(number) {
                let ratio = self.ratio(kind, number, older).median;
                rules.push(Rule::at_most(OLDER, ratio, &format!("x BASELINE: {name}")));
            }
        }
        rules
    }

    /// The contender with the older module beside one with that which is built.
    fn older(&self, number: usize) -> Option<usize> {
        let is_built = self.contenders[number].module == Module::Built;
        let next = self.contenders.get(number + 1)?;
        (is_built && next.module == Module::Older).then_some(number + 1)
    }

    /// How many times the cost of another, taken round by round.
    fn ratio(&self, kind: Kind, number: usize, other: usize) -> Spread {
        let [costs, others] = [number, other].map(|number| &self.costs[&(kind, number)]);
        Spread::of(costs.iter().zip(others).map(|(cost, other)| cost / other))
    }
}

impl Display for Report<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut last = None;
        for (&(kind, number), costs) in &self.costs {
            if last.replace(kind) != Some(kind) {
                let (us, bare, older) = ("us", "x bare Envoy", "x BASELINE");
                write!(f, "\n{:32}{us:>22}  {bare:>22}", kind.name())?;
                writeln!(f, "  {older:>22}")?;
            }
            let contender = &self.contenders[number];
            let name = match contender.module {
                Module::None => contender.name.to_owned(),
                Module::Built => format!("Podpin, {}", contender.name),
                Module::Older => format!("BASELINE, {}", contender.name),
            };
            let cost = format!("{:.1}", Spread::of(costs.iter().copied()));
            let bare = format!("{:.3}", self.ratio(kind, number, 0));
            write!(f, "  {name:30}{cost:>22}  {bare:>22}")?;
            if let Some(older) = self.older(number) {
                write!(f, "  {:>22}", format!("{:.3}", self.ratio(kind, number, older)))?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

impl Rule {
    pub(crate) fn at_most(bound: f64, figure: f64, what: &str) -> Self {
        let text = format!("{figure:.3}, at most {bound} {what}");
        Self { text, is_kept: figure <= bound }
    }
}

impl Display for Rule {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}  {}", if self.is_kept { "PASS" } else { "FAIL" }, self.text)
    }
}

impl Spread {
    fn of(values: impl Iterator<Item = f64>) -> Self {
        let mut values: Vec<_> = values.collect();
        values.sort_by(f64::total_cmp);
        let at = |part: f64| {
            let place = part * (values.len() - 1) as f64;
            let (low, high) = (values[place as usize], values[place.ceil() as usize]);
            low + (high - low) * place.fract()
        };
        Self { low: at(0.25), median: at(0.5), high: at(0.75) }
    }
}

impl Display for Spread {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let digits = f.precision().unwrap_or(1);
        let Self { low, median, high } = self;
        write!(f, "{median:.digits$} [{low:.digits$}-{high:.digits$}]")
    }
}
