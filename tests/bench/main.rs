//! What Podpin costs, as ratios and differences within one run, beside what else there is. It ends with
//! the bounds that this must keep, and fails when one is exceeded.
//!
//! `BASELINE` names an older module to compare with, `BASELINE_EXAMPLES` the directory of the
//! examples of its time, `ROUNDS` how often processor time is measured, and `ONLY` some of those that are
//! compared, such as `authority; sealed`. A run of everything writes `docs/benchmarks.md`; any other
//! leaves its page in `target/bench/`.

mod contender;
mod figures;
mod ground;
mod held;
mod kind;
mod load;
mod miss;
mod page;
mod plot;
mod pods;
mod processors;
mod proxy;
mod report;
mod rounds;
mod rules;
mod shuffle;
mod workers;

use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use kit::root;

use crate::contender::only;
use crate::ground::Ground;
use crate::page::Results;
use crate::processors::Processors;
use crate::report::Report;
use crate::rules::{Rule, Verdict};

/// Between two builds of the same code the ratios of single rounds have a standard deviation of 0.04
/// on a busy machine, so the median of so many one of 0.017.
const ROUNDS: usize = 9;

/// Parts that `ONLY` may name too. The first takes minutes, so a quick look goes without.
const HELD: &str = "sessions held";
/// The same of the dynamic module; only if it is named.
const HELD_DYNAMIC: &str = "sessions held, dynamic";
const WORKERS: &str = "workers";

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let rounds = match std::env::var("ROUNDS") {
        Ok(rounds) if !rounds.is_empty() => rounds.parse().context("ROUNDS")?,
        _ => ROUNDS,
    };
    ensure!(rounds > 0, "ROUNDS: 0 rounds measure nothing");
    if contender::haproxy::program().is_none() {
        println!("HAProxy is missing, so it is left out: apt-get install haproxy");
    }
    let results = measure(rounds).await?;
    let has_baseline = std::env::var_os("BASELINE").is_some_and(|module| !module.is_empty());
    let is_full = only().is_none() && rounds >= ROUNDS && !has_baseline;
    let directory = root().join(if is_full { "docs" } else { "target/bench" });
    page::write(&results, &directory)?;
    println!("{} was written", directory.join("benchmarks.md").display());
    let all_kept = results.rules.iter().all(|rule| rule.verdict != Verdict::Exceeded);
    Ok(if all_kept { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn measure(rounds: usize) -> Result<Results> {
    let named = |part: &str| only().map(|only| only.iter().any(|name| name == part));
    let processors = Processors::given()?;
    processors.split([])?;
    let ground = Ground::start().await?;
    let mut report = Report::new(contender::all(&ground)?);
    rounds::run(rounds, &processors, &mut report).await?;
    let mut rules = rules::of(&report);
    let workers = match named(WORKERS).unwrap_or(true) {
        true => Some(workers::run(rounds.div_ceil(3), &report.contenders, &processors).await?),
        false => None,
    };
    let is_dynamic = named(HELD_DYNAMIC).unwrap_or(false);
    let held = match is_dynamic || named(HELD).unwrap_or(rounds >= ROUNDS) {
        true => {
            let example = contender::by_authority(&ground, is_dynamic)?;
            Some(held::run(rounds, &example, &processors).await?)
        }
        false => None,
    };
    rules.extend(held.iter().flat_map(|held| held.rules()));
    processors.share()?;
    let miss = miss::run().await;
    rules.push(match &miss {
        Ok(miss) => miss.rule(),
        Err(error) => Rule { text: format!("asking Redis: {error:#}"), verdict: Verdict::Exceeded },
    });
    Ok(Results { rounds, report, workers, held, miss: miss.ok(), rules })
}
