//! The tables of what only some are measured by, and what is said below them.

use kit::table::Table;

use super::tables::NONE;
use crate::held::{CAPACITY, Held};
use crate::miss::Miss;
use crate::workers;

pub(super) const WORKERS: &str = "\
Load, pods and proxy share both processors here, so compare within the table only. The last column is what another
worker thread takes beside what it takes in Envoy alone: a virtual machine and its filter.
";

pub(super) const MISS: &str = "\
One request at a time, medians over 2,000 sessions. It is paid once for each session and Envoy.
";

pub(super) const GOALS: &str = "\
What Podpin is to cost at most. FAIL says that it is not there, OUT that no filter of its kind gets there: the calls into
Envoy that pinning a session takes cost more already. [Where the time goes](design.md#where-the-time-goes) is about both.";

pub(super) fn workers(rows: &[workers::Row]) -> Table {
    let head =
        ["", "µs, 1 worker", "µs, 2 workers", "calls/s, 1", "calls/s, 2", "MB for another worker"];
    let mut table = Table::new(head);
    let alone = rows.first().map_or(0.0, workers::Row::memory_of_worker);
    for row in rows {
        let costs = row.spreads(|it| it.cost).map(|it| format!("{it:.1}"));
        let rates = row.spreads(|it| it.rate).map(|it| format!("{:.0}", it.median));
        let memory = match row.is_in_wasm {
            true => format!("{:.1}", row.memory_of_worker() - alone),
            false => NONE.to_owned(),
        };
        let cells = [row.title.clone()].into_iter().chain(costs).chain(rates).chain([memory]);
        table.row(cells);
    }
    table
}

pub(super) fn held(held: &Held) -> Table {
    let head = [
        "sessions",
        "µs a call",
        "x 1,000",
        "p99 µs",
        "µs to open one",
        "calls",
        "lost",
        "evicted",
        "MB",
    ];
    let mut table = Table::new(head);
    for (number, row) in held.0.iter().enumerate() {
        let [cost, most] = row.spreads();
        table.row([
            row.count.to_string(),
            format!("{cost:.1}"),
            format!("{:.2}", held.ratio(number)),
            format!("{:.0}", most.median),
            format!("{:.0}", row.opening),
            row.calls.to_string(),
            row.lost.to_string(),
            row.evicted.to_string(),
            format!("{:.0}", row.memory),
        ]);
    }
    table
}

pub(super) fn held_text(held: &Held) -> String {
    let bytes = held.bytes();
    let megabytes = bytes * 1e4 / 1024.0 / 1024.0;
    format!(
        "Podpin by `authority` with `store.capacity` {CAPACITY}, calls of any of the sessions, core full. Each session of \
         the\nmillion takes {bytes:.0} bytes of memory: {megabytes:.1} MB for 10,000. *Evicted* ones gave way to others, \
         because their part of\nthe table was full.\n"
    )
}

pub(super) fn miss(miss: &Miss) -> Table {
    let mut table = Table::new(["", "µs"]);
    for (what, time) in [
        ("a call that Envoy knows the pod of", miss.known),
        ("a call that it asks Redis about", miss.asked),
        ("so asking adds", miss.added()),
        ("webdis' own time for that question", miss.alone),
    ] {
        table.row([what.to_owned(), time.as_micros().to_string()]);
    }
    table
}
