//! The bounds that what was measured must keep.

use std::fmt::{self, Display, Formatter};

use crate::contender::Module;
use crate::kind::{Kind, Regime};
use crate::page::PARTS;
use crate::report::Report;

/// A bound, and whether it is kept.
pub(crate) struct Rule {
    pub(crate) text: String,
    pub(crate) verdict: Verdict,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Verdict {
    Kept,
    Exceeded,
    /// The calls into Envoy that Podpin is made of exceed it, so no filter that is called as Podpin is can keep it.
    OutOfReach,
}

/// Times Envoy's own cost for the largest request without a session, of which no more than 4 KB are read. It
/// was eight times while all of it was.
const LARGE_POST: f64 = 2.0;

/// MB that a dynamic module takes.
const DYNAMIC: f64 = 5.0;

/// Times the older module's cost, in any mode.
const OLDER: f64 = 1.05;

/// Times the cost of a filter that makes the same calls into Envoy.
const OF_ITS_CALLS: f64 = 1.2;

/// Times the cost of another, on a full core and at a fixed rate. The no-op stands for what any filter
/// in WebAssembly costs; the routes and clusters are those that Podpin needs in that mode.
const TARGETS: [(Kind, &str, &str, f64, &[Regime]); 9] = [
    (Kind::Call, "authority", "no-op, by pod", 1.15, BOTH),
    (Kind::Call, "dynamic_host", "no-op, by pod", 1.3, BOTH),
    (Kind::Call, "endpoint", "no-op, by endpoint", 1.2, BOTH),
    (Kind::Call, "endpoint", "authority", 1.0, &[Regime::Full]),
    (Kind::Call, "redis, near hit", "authority", 1.03, BOTH),
    (Kind::Call, "sealed", "authority", 1.03, BOTH),
    (Kind::AnotherPath, "authority", "no-op", 1.05, BOTH),
    (Kind::Call, "dynamic, endpoint", ALONE, 1.12, &[Regime::Full]),
    (Kind::Call, "dynamic, authority", ALONE, 1.28, &[Regime::Full]),
];
const ALONE: &str = "Envoy alone";
const BOTH: &[Regime] = &[Regime::Full, Regime::Paced];

pub(crate) fn of(report: &Report) -> Vec<Rule> {
    let mut rules = Vec::new();
    for (kind, name, other, bound, regimes) in TARGETS {
        let is_part = |part: &&(Kind, &str, &str, &str)| {
            (part.0, part.1) == (kind, name) && [part.3, ALONE].contains(&other)
        };
        let part = PARTS.iter().find(is_part);
        for regime in regimes.iter().copied() {
            let ratio = |it, other| {
                let (it, other) = (report.find(it)?, report.find(other)?);
                Some(report.ratio(kind, regime, it, other)?.median)
            };
            let what = |other| format!("x {other}: {}, {name}, {}", kind.name(), regime.name());
            let Some(figure) = ratio(name, other) else { continue };
            let mut rule = Rule::at_most(bound, figure, &what(other));
            if let Some((calls, least)) = part.and_then(|it| Some((it.2, ratio(it.2, other)?))) {
                rule.cannot_be_below(least, bound);
                let figure = ratio(name, calls).unwrap_or(f64::NAN);
                rules.push(Rule::at_most(OF_ITS_CALLS, figure, &what(calls)));
            }
            rules.push(rule);
        }
    }
    rules.extend(of_modules(report));
    rules.extend(of_memory(report));
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

/// A dynamic module has no VM.
fn of_memory(report: &Report) -> Vec<Rule> {
    let names = ["dynamic, authority", "dynamic, endpoint"].into_iter();
    let rule = |name| {
        let above = report.memory(report.find(name)?)?.median - report.memory(0)?.median;
        Some(Rule::at_most(DYNAMIC, above, &format!("MB above Envoy alone: {name}")))
    };
    names.filter_map(rule).collect()
}

/// Podpin loses no call and sends none to another pod.
fn of_sessions(report: &Report) -> Option<Rule> {
    let built = |number: &usize| report.contenders[*number].module == Module::Built;
    let tallies: Vec<_> =
        (0..report.contenders.len()).filter(built).map(|number| report.tally(number)).collect();
    let wrong: u64 = tallies.iter().map(|tally| tally.lost + tally.misrouted).sum();
    let calls: u64 = tallies.iter().map(|tally| tally.calls).sum();
    let text = format!("{wrong} of {calls} calls lost or misrouted by Podpin, at most 0");
    (calls > 0).then_some(Rule { text, verdict: Verdict::of(wrong == 0) })
}

impl Verdict {
    pub(crate) fn of(is_kept: bool) -> Self {
        if is_kept { Self::Kept } else { Self::Exceeded }
    }
}

impl Rule {
    pub(crate) fn at_most(bound: f64, figure: f64, what: &str) -> Self {
        let text = format!("{figure:.3}, at most {bound} {what}");
        Self { text, verdict: Verdict::of(figure <= bound) }
    }

    /// What it is made of takes so much already.
    fn cannot_be_below(&mut self, least: f64, bound: f64) {
        if self.verdict == Verdict::Exceeded {
            self.text += &format!("; its calls into Envoy alone {least:.3}");
            if least > bound {
                self.verdict = Verdict::OutOfReach;
            }
        }
    }
}

impl Display for Rule {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let verdict = match self.verdict {
            Verdict::Kept => "PASS",
            Verdict::Exceeded => "FAIL",
            Verdict::OutOfReach => "OUT ",
        };
        write!(f, "{verdict}  {}", self.text)
    }
}
