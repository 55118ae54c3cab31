//! The page that a run writes: what was measured, where, how to read it, and what was not measured.

mod calls;
mod parts;
mod plots;
mod tables;

use std::fmt::{self, Write};
use std::fs;
use std::path::Path;

use anyhow::Result;
use kit::machine;

use crate::contender::haproxy;
use crate::held::Held;
use crate::kind::{Kind, Regime};
use crate::miss::Miss;
use crate::report::Report;
use crate::rules::Rule;
use crate::workers;

pub(crate) use self::calls::PARTS;

/// All that a run found. What it was not asked for is not there.
pub(crate) struct Results {
    pub(crate) rounds: usize,
    pub(crate) report: Report,
    pub(crate) workers: Option<Vec<workers::Row>>,
    pub(crate) held: Option<Held>,
    pub(crate) miss: Option<Miss>,
    pub(crate) rules: Vec<Rule>,
}

/// Writes `benchmarks.md` and its pictures there, and prints the tables.
pub(crate) fn write(results: &Results, directory: &Path) -> Result<()> {
    let pictures = directory.join("benchmarks");
    fs::create_dir_all(&pictures)?;
    for (name, plot) in plots::all(&results.report) {
        fs::write(pictures.join(name).with_extension("svg"), crate::plot::draw(&plot)?)?;
    }
    let tables = tables(results)?;
    println!("{tables}");
    fs::write(directory.join("benchmarks.md"), page(results, &tables)?)?;
    Ok(())
}

fn page(results: &Results, tables: &str) -> Result<String, fmt::Error> {
    let mut page = String::from(include_str!("head.txt"));
    for line in machine::describe() {
        writeln!(page, "{line}")?;
    }
    writeln!(page, "{}", haproxy::describe())?;
    writeln!(page, "- Rounds: {}", results.rounds)?;
    if let Some(summary) = summary(&results.report) {
        writeln!(page, "\n## In short\n\n{summary}")?;
        page.push_str(include_str!("pictures.txt"));
    }
    write!(page, "\n{tables}\n{}", include_str!("tail.txt"))?;
    Ok(page)
}

/// What an operator wants to know first.
fn summary(report: &Report) -> Option<String> {
    let podpin = report.find("authority")?;
    let noop = report.find("no-op, by pod")?;
    let cost = report.spread(Kind::Call, Regime::Full, podpin, |it| it.cost)?.median;
    let [full, paced] = [Regime::Full, Regime::Paced].map(|regime| {
        let alone = report.ratio(Kind::Call, regime, podpin, 0)?.median;
        Some((alone, report.ratio(Kind::Call, regime, podpin, noop)?.median))
    });
    let ((full, full_noop), (paced, paced_noop)) = (full?, paced?);
    Some(format!(
        "A call of a session takes {cost:.0} µs of a processor with Podpin (`authority`, a store in memory) \
         when the proxy's\ncore is full: {full:.2} times what Envoy takes alone, and {full_noop:.2} times what it \
         takes with a WebAssembly filter that\ndoes nothing and clients that name the pod themselves. At 1,500 \
         calls a second it is {paced:.2} times and {paced_noop:.2} times.\n"
    ))
}

fn tables(results: &Results) -> Result<String, fmt::Error> {
    let Results { report, workers, held, miss, rules, .. } = results;
    let mut text = String::new();
    writeln!(text, "## A call of a session\n\n{}", tables::calls(report))?;
    if haproxy::program().is_none() {
        writeln!(text, "HAProxy was missing: `apt-get install haproxy`.\n")?;
    }
    writeln!(text, "{}", tables::CALLS)?;
    writeln!(text, "## From nothing to Podpin\n\n{}", calls::steps(report))?;
    writeln!(text, "{}\n{}", calls::STEPS, calls::calls(report))?;
    writeln!(text, "{}", calls::CALLS)?;
    writeln!(text, "## Other requests\n\n{}", tables::others(report))?;
    writeln!(text, "{}", tables::OTHERS)?;
    writeln!(text, "## Bodies\n\n{}", tables::bodies(report))?;
    writeln!(text, "{}", tables::BODIES)?;
    if let Some(rows) = workers {
        writeln!(text, "## Worker threads\n\n{}", parts::workers(rows))?;
        writeln!(text, "{}", parts::WORKERS)?;
    }
    if let Some(held) = held {
        writeln!(text, "## Sessions held\n\n{}", parts::held(held))?;
        writeln!(text, "{}", parts::held_text(held))?;
    }
    if let Some(miss) = miss {
        writeln!(text, "## A session that another Envoy opened\n\n{}", parts::miss(miss))?;
        writeln!(text, "{}", parts::MISS)?;
    }
    writeln!(text, "## Goals\n\n{}\n\n```", parts::GOALS)?;
    for rule in rules {
        writeln!(text, "{rule}")?;
    }
    writeln!(text, "```")?;
    Ok(text)
}
