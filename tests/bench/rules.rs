//! The bounds that what was measured must keep.

use std::fmt::{self, Display, Formatter};

use crate::contender::Module;
use crate::kind::{Kind, Regime};
use crate::report::Report;

/// A bound, and whether it is kept.
pub(crate) struct Rule {
    pub(crate) text: String,
    pub(crate) is_kept: bool,
}

/// Times Envoy's own cost for the largest request without a session.
const LARGE_POST: f64 = 1.6;

/// Times the older module's cost, in any mode.
const OLDER: f64 = 1.05;

/// Times the cost of another, on a full core and at a fixed rate. The no-op stands for what any filter
/// in WebAssembly costs; the routes and clusters are those that Podpin needs in that mode.
const TARGETS: [(Kind, &str, &str, f64, &[Regime]); 7] = [
    (Kind::Call, "authority", "no-op, by pod", 1.15, BOTH),
    (Kind::Call, "dynamic_host", "no-op, by pod", 1.3, BOTH),
    (Kind::Call, "endpoint", "no-op, by endpoint", 1.2, BOTH),
    (Kind::Call, "endpoint", "authority", 1.0, &[Regime::Full]),
    (Kind::Call, "redis, near hit", "authority", 1.03, BOTH),
    (Kind::Call, "sealed", "authority", 1.03, BOTH),
    (Kind::AnotherPath, "authority", "no-op", 1.05, BOTH),
];
const BOTH: &[Regime] = &[Regime::Full, Regime::Paced];

pub(crate) fn of(report: &Report) -> Vec<Rule> {
    let mut rules = Vec::new();
    for (kind, name, other, bound, regimes) in TARGETS {
        for regime in regimes.iter().copied() {
            let both = report.find(name).zip(report.find(other));
            let ratio = both.and_then(|(it, other)| report.ratio(kind, regime, it, other));
            if let Some(ratio) = ratio {
                let when = match regime {
                    Regime::Full => "core full",
                    Regime::Paced => "1500/s",
                };
                let what = format!("x {other}: {}, {name}, {when}", kind.name());
                rules.push(Rule::at_most(bound, ratio.median, &what));
            }
        }
    }
    rules.extend(of_modules(report));
    rules.extend(of_sessions(report));
    rules
}

fn of_modules(report: &Report) -> Vec<Rule> {
    let mut rules = Vec::new();
    for ((kind, regime), numbers) in report.measured() {
        for number in numbers.into_iter().filter(|_| regime == Regime::Full) {
            let contender = &report.contenders[number];
            let name = format!("{}, {}", kind.name(), contender.name);
            let bare = report.ratio(kind, regime, number, 0);
            if let (Module::Built, Kind::Post(256), Some(ratio)) = (contender.module, kind, bare) {
                rules.push(Rule::at_most(
                    LARGE_POST,
                    ratio.median,
                    &format!("x Envoy alone: {name}"),
                ));
            }
            let older = report.older(number);
            let ratio = older.and_then(|older| report.ratio(kind, regime, number, older));
            if let Some(ratio) = ratio {
                rules.push(Rule::at_most(OLDER, ratio.median, &format!("x BASELINE: {name}")));
            }
        }
    }
    rules
}

/// Podpin loses no call and sends none to another pod.
fn of_sessions(report: &Report) -> Option<Rule> {
    let built = |number: &usize| report.contenders[*number].module == Module::Built;
    let tallies: Vec<_> =
        (0..report.contenders.len()).filter(built).map(|number| report.tally(number)).collect();
    let wrong: u64 = tallies.iter().map(|tally| tally.lost + tally.misrouted).sum();
    let calls: u64 = tallies.iter().map(|tally| tally.calls).sum();
    let text = format!("{wrong} of {calls} calls lost or misrouted by Podpin, at most 0");
    (calls > 0).then_some(Rule { text, is_kept: wrong == 0 })
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
