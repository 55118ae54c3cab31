//! The tables of what all contenders are asked, and what is said below them.

use kit::table::Table;

use crate::kind::{Kind, Regime};
use crate::report::Report;

pub(super) const CALLS: &str = "\
Medians [quartiles] over the rounds; ratios are taken within a round. *Lost* calls were answered by anything but a
success, *misrouted* ones by another pod than the one that opened the session: a real server answers these 404. MB is
what the proxy holds after 1,000 sessions were opened. Envoy's header asks clients to return a header of Envoy's, and
*by pod* has clients send the name of the pod, which no MCP client does: these show what the routes and clusters
cost that Podpin uses.
";

pub(super) const OTHERS: &str = "\
Microseconds of a processor for each request on a full core, and how many times those of Envoy alone.
";

pub(super) const BODIES: &str = "\
The same by the size of what is sent, in every third round. Differences of a few percent mean nothing here.
";

/// What a cell says where nothing was measured.
pub(super) const NONE: &str = "–";

pub(super) fn calls(report: &Report) -> Table {
    let has_older = (0..report.contenders.len()).any(|it| report.older(it).is_some());
    let mut head = vec![
        "",
        "µs, core full",
        "x Envoy alone",
        "calls/s",
        "core",
        "µs at 1,500/s",
        "x Envoy alone",
        "p50 / p99 µs",
        "MB",
        "calls",
        "lost",
        "misrouted",
    ];
    head.extend(has_older.then_some("x BASELINE, core full"));
    let mut table = Table::new(head);
    let is_row = |number: &usize| !report.contenders[*number].only_calls();
    for number in report.taking_part(Kind::Call).into_iter().filter(is_row) {
        let cost = |regime| {
            let cost = report.spread(Kind::Call, regime, number, |it| it.cost);
            let ratio = report.ratio(Kind::Call, regime, number, 0);
            [cost.map(|it| format!("{it:.1}")), ratio.map(|it| format!("{it:.2}"))]
        };
        let full = |figure| report.spread(Kind::Call, Regime::Full, number, figure);
        let paced = |figure| report.spread(Kind::Call, Regime::Paced, number, figure);
        let latency = paced(|it| it.half).zip(paced(|it| it.most));
        let tally = report.tally(number);
        let mut cells = vec![Some(report.contenders[number].title())];
        cells.extend(cost(Regime::Full));
        cells.push(full(|it| it.rate).map(|it| format!("{:.0}", it.median)));
        cells.push(full(|it| 100.0 * it.busy).map(|it| format!("{:.0} %", it.median)));
        cells.extend(cost(Regime::Paced));
        cells.push(latency.map(|(half, most)| format!("{:.0} / {:.0}", half.median, most.median)));
        cells.push(report.memory(number).map(|it| format!("{:.0}", it.median)));
        cells.push(Some(tally.calls.to_string()));
        cells.push(Some(tally.lost.to_string()));
        cells.push(Some(match tally.share_misrouted() {
            0.0 => "0".to_owned(),
            share => format!("{:.1} %", 100.0 * share),
        }));
        if let Some(older) = report.older(number) {
            let ratio = report.ratio(Kind::Call, Regime::Full, number, older);
            cells.push(ratio.map(|it| format!("{it:.3}")));
        }
        table.row(cells.into_iter().map(|cell| cell.unwrap_or_else(|| NONE.to_owned())));
    }
    table
}

pub(super) fn others(report: &Report) -> Table {
    let kinds = Kind::ALL.iter().copied().filter(|it| !it.is_rare() && *it != Kind::Call);
    costs(report, &kinds.collect::<Vec<_>>())
}

pub(super) fn bodies(report: &Report) -> Table {
    let kinds = Kind::ALL.iter().copied().filter(|it| it.is_rare());
    costs(report, &kinds.collect::<Vec<_>>())
}

/// What each contender takes for requests of these kinds, on a full core.
fn costs(report: &Report, kinds: &[Kind]) -> Table {
    let mut table = Table::new([String::new()].into_iter().chain(kinds.iter().map(|it| it.name())));
    let is_row = |number: &usize| !report.contenders[*number].only_calls();
    for number in (0..report.contenders.len()).filter(is_row) {
        let cells = kinds.iter().map(|kind| {
            let cost = report.spread(*kind, Regime::Full, number, |it| it.cost)?;
            let ratio = report.ratio(*kind, Regime::Full, number, 0)?;
            Some(format!("{:.0} ({:.2})", cost.median, ratio.median))
        });
        let cells: Vec<_> = cells.collect();
        if cells.iter().any(Option::is_some) {
            let cells = cells.into_iter().map(|cell| cell.unwrap_or_else(|| NONE.to_owned()));
            table.row([report.contenders[number].title()].into_iter().chain(cells));
        }
    }
    table
}
