//! Trouble without end: pods, Envoys, Redis and webdis are killed and come back, pods lose their name, become
//! slow or answer 500, while clients of all kinds call. Whatever a client loses has to be explained by what was
//! broken, then and there; no call may hang or be answered by another pod than that of its session, Envoy's
//! memory may not grow, and once all is whole every client has to be well.
//!
//! `MINUTES` is the first argument; `SEED` in the environment makes the same trouble again, `RECORD=yes`
//! writes the figures into `docs/reliability.md`.

mod clients;
mod dice;
mod fleet;
mod ledger;
mod memory;
mod pictures;
mod report;
mod server;
mod tally;
mod trouble;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, ensure};
use kit::dns::{Dns, any_port, pod_ip};
use kit::envoy::Envoy;
use kit::link::Link;
use kit::pods::{App, Pods};
use kit::redis::{Redis, Webdis};
use kit::setup::{RedisFront, SharedSetup, patient};
use serde_json::json;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::clients::{Soak, State};
use crate::fleet::Fleet;
use crate::ledger::{IDLE_TIMEOUT, Ledger};
use crate::memory::Memory;
use crate::report::Report;
use crate::tally::{Kind, Tally};
use crate::trouble::{Field, PODS};

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("podpin: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<()> {
    let minutes = std::env::args().nth(1).unwrap_or_else(|| "10".to_owned());
    let minutes: f64 = minutes.parse().with_context(|| format!("{minutes:?} is no number"))?;
    let time = Duration::from_secs_f64(60.0 * minutes);
    let seed = match std::env::var("SEED") {
        Ok(seed) if !seed.is_empty() => seed.parse().context("SEED")?,
        _ => SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_secs() % 1_000_000,
    };
    println!("SEED={seed}");

    let setup = set_up().await?;
    // A busy machine is no slow store, and no pod that does not answer.
    let bootstrap = setup.bootstrap()?.plugin(patient).plugin(|plugin| {
        plugin["placement"] = json!({"eject": "1s"});
        plugin["session"] = json!({"idle_timeout": IDLE_TIMEOUT});
        plugin["store"]["timeout"] = json!("5s");
    });
    let envoys = [Envoy::start(&bootstrap).await?, Envoy::start(&bootstrap).await?];
    let fleet = Fleet::of(&envoys).await?;
    let soak = Arc::new(Soak { fleet, ledger: Ledger::default(), tally: Tally::new() });
    let memory = Memory::watch(soak.clone(), (time / 600).max(Duration::from_millis(200)));

    let (state, states) = watch::channel(State::Trouble);
    let mut clients = JoinSet::new();
    for kind in Kind::ALL {
        for _ in 0..kind.clients() {
            let number = clients.len();
            clients.spawn(clients::run(kind, number, seed, soak.clone(), states.clone()));
        }
    }
    let mut field = Field::new(setup, bootstrap, envoys, soak.clone(), seed);
    if let Err(error) = field.trouble(time).await {
        soak.tally.wrong(format!("{error:#}"));
    }
    state.send(State::Calm)?;
    while let Some(client) = clients.join_next().await {
        if let Err(error) = client? {
            soak.tally.wrong(format!("{error:#}"));
        }
    }
    let start = soak.tally.start();
    let broken = soak.ledger.entries().into_iter().map(|entry| (entry.from - start, entry.what));
    let (broken, time) = (broken.collect(), start.elapsed());
    let report = Report { seed, time, counts: soak.tally.take(), lines: memory.finish(), broken };
    finish(&report)
}

async fn set_up() -> Result<SharedSetup> {
    let pods = Pods::start(PODS, None, App::Made(server::serve))?;
    let ips: Vec<_> = (0..PODS).map(pod_ip).collect();
    let dns = Dns::start(any_port(), &ips).await?;
    let redis = Redis::start_durable().await?;
    let webdis = Webdis::start(&redis, None).await?;
    let link = Link::to(webdis.address).await?;
    Ok(SharedSetup { pods, dns, redis, front: RedisFront::Webdis(webdis), link })
}

fn finish(report: &Report) -> Result<()> {
    println!("\n{}", report.summary());
    if std::env::var("RECORD").is_ok_and(|record| !record.is_empty()) {
        report.record()?;
    }
    let wrong = report.wrong();
    for line in &wrong {
        println!("wrong: {line}");
    }
    ensure!(
        wrong.is_empty(),
        "{} things are wrong; SEED={} makes the same trouble",
        wrong.len(),
        report.seed
    );
    let lost = report.counts.losses.len();
    let kills = report.broken.iter().filter(|(_, what)| report::is_kill(*what)).count();
    ensure!(lost > 0 || kills < 5, "{kills} kills cost nothing: nothing was shown");
    Ok(())
}
