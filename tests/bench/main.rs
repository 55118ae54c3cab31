//! What Podpin costs, as ratios and differences within one run. It ends with the bounds that this
//! must keep, and fails when one is exceeded.
//!
//! `BASELINE` names an older module to compare with, `BASELINE_EXAMPLES` the directory of the
//! examples of its time, `ROUNDS` how often processor time is measured, and `ONLY` some of those that are
//! compared, such as `authority; sealed`.

mod contender;
mod cpu;
mod kind;
mod load;
mod miss;
mod processors;
mod report;
mod shuffle;

use std::process::ExitCode;

use anyhow::{Context, Result, ensure};

use crate::report::Rule;

/// Between two builds of the same code the ratios of single rounds have a standard deviation of 0.04
/// on a busy machine, so the median of so many one of 0.015.
const ROUNDS: usize = 12;

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let rounds = match std::env::var("ROUNDS") {
        Ok(rounds) if !rounds.is_empty() => rounds.parse().context("ROUNDS")?,
        _ => ROUNDS,
    };
    ensure!(rounds > 0, "ROUNDS: 0 rounds measure nothing");
    let mut rules = cpu::run(rounds).await?;
    println!();
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
