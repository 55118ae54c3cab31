//! What Podpin costs, as ratios and differences within one run. It ends with the bounds that this
//! must keep, and fails when one is exceeded.
//!
//! `BASELINE` names an older module to compare with, `BASELINE_EXAMPLES` the directory of the
//! examples of its time, `ROUNDS` how often processor time is measured, and `ONLY` some of those that are
//! compared, such as `authority; sealed`.

mod contender;
mod figures;
mod ground;
mod kind;
mod load;
mod miss;
mod pods;
mod processors;
mod proxy;
mod report;
mod rounds;
mod rules;
mod shuffle;

use std::process::ExitCode;

use anyhow::{Context, Result, ensure};

use crate::ground::Ground;
use crate::processors::Processors;
use crate::report::Report;
use crate::rules::Rule;

/// Between two builds of the same code the ratios of single rounds have a standard deviation of 0.04
/// on a busy machine, so the median of so many one of 0.017.
const ROUNDS: usize = 9;

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
    let processors = Processors::given()?;
    processors.split([])?;
    let ground = Ground::start().await?;
    let mut report = Report::new(contender::all(&ground)?);
    rounds::run(rounds, &processors, &mut report).await?;
    println!("The proxy's processor time a request, in {rounds} rounds; medians [quartiles]");
    print!("{report}");
    let mut rules = rules::of(&report);
    println!();
    processors.share()?;
    rules.push(
        miss::run().await.unwrap_or_else(|error| Rule {
            text: format!("asking Redis: {error:#}"),
            is_kept: false,
        }),
    );
    println!();
    for rule in &rules {
        println!("{rule}");
    }
    let all_kept = rules.iter().all(|rule| rule.is_kept);
    Ok(if all_kept { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
