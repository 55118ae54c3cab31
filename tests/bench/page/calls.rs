//! The tables of where the cost is: what Podpin asks of Envoy, beside what it does with that.

use kit::table::Table;

use super::tables::NONE;
use crate::kind::{Kind, Regime};
use crate::report::Report;

pub(super) const STEPS: &str = "\
Each row makes the calls into Envoy of those above it too, and decides nothing: the client names the pod. So the last
row but one is what any filter in WebAssembly takes that reads the headers of a request, looks up its session, sends it on
to a pod, and tells the access log.
";

pub(super) const CALLS: &str = "\
*Its calls* is again a filter that makes the same calls into Envoy as Podpin, and decides nothing. So the last column is what
Podpin itself does: it takes the request apart, hashes the session id, finds the session, and keeps what the response needs.
Beside the dynamic module that filter is a dynamic module too.
";

/// The requests and modes that are taken apart, and what does nothing beside them.
pub(crate) const PARTS: [(Kind, &str, &str, &str); 7] = [
    (Kind::Call, "authority", "calls of authority", "no-op, by pod"),
    (Kind::Call, "dynamic_host", "calls of dynamic_host", "no-op, by pod"),
    (Kind::Call, "sealed", "calls of sealed", "no-op, by pod"),
    (Kind::Call, "endpoint", "calls of endpoint", "no-op, by endpoint"),
    (Kind::AnotherPath, "authority", "calls of another path", "no-op"),
    (Kind::Call, "dynamic, authority", "calls of dynamic, authority", "no-op, dynamic"),
    (Kind::Call, "dynamic, endpoint", "calls of dynamic, endpoint", "no-op, dynamic"),
];

/// How the cost of a call grows from a filter that does nothing to Podpin.
pub(super) fn steps(report: &Report) -> Table {
    let mut table = Table::new(["", "µs, core full", "more, µs", "x no-op, by pod"]);
    let [(kind, podpin, all_calls, noop), ..] = PARTS;
    let ends = [noop, all_calls, podpin];
    let is_step = |name: &str| name.starts_with("+ ") || ends.contains(&name);
    let (mut before, noop) = (None, report.find(noop));
    for number in 0..report.contenders.len() {
        let is_shown = is_step(report.contenders[number].name);
        let cost = report.spread(kind, Regime::Full, number, |it| it.cost).filter(|_| is_shown);
        let ratio = noop.and_then(|noop| report.ratio(kind, Regime::Full, number, noop));
        let (Some(cost), Some(ratio)) = (cost, ratio) else { continue };
        let more = before.map(|before: f64| format!("{:+.1}", cost.median - before));
        table.row([
            report.contenders[number].title(),
            format!("{cost:.1}"),
            more.unwrap_or_else(|| NONE.to_owned()),
            format!("{ratio:.2}"),
        ]);
        before = Some(cost.median);
    }
    table
}

/// What Podpin takes beside its calls alone.
pub(super) fn calls(report: &Report) -> Table {
    let head =
        ["", "no-op, µs", "its calls, µs", "x no-op", "Podpin, µs", "x no-op", "x its calls"];
    let mut table = Table::new(head);
    for regime in [Regime::Full, Regime::Paced] {
        for (kind, podpin, calls, noop) in PARTS {
            let all = [noop, calls, podpin].map(|name| report.find(name));
            let [Some(noop), Some(calls), Some(podpin)] = all else { continue };
            let cost = |number| report.spread(kind, regime, number, |it| it.cost);
            let ratio = |it, other| report.ratio(kind, regime, it, other);
            let name = match kind {
                Kind::Call => report.contenders[podpin].name.to_owned(),
                _ => kind.name(),
            };
            let cells = [
                cost(noop).map(|it| format!("{:.0}", it.median)),
                cost(calls).map(|it| format!("{:.0}", it.median)),
                ratio(calls, noop).map(|it| format!("{it:.2}")),
                cost(podpin).map(|it| format!("{:.0}", it.median)),
                ratio(podpin, noop).map(|it| format!("{it:.2}")),
                ratio(podpin, calls).map(|it| format!("{it:.2}")),
            ];
            let cells = cells.into_iter().map(|cell| cell.unwrap_or_else(|| NONE.to_owned()));
            table.row([format!("{name}, {}", regime.name())].into_iter().chain(cells));
        }
    }
    table
}
