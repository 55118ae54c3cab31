//! What a request costs each contender, measured in turns within one run.
//!
//! Processor time is counted for the proxy's process alone, so what clients and pods need beside it on
//! the same machine does not matter much. What does: the machine is faster and slower from moment to
//! moment, so those compared take short turns, many times over, and ratios are taken within a
//! round of them; and each process has its luck with the places of its memory, by several percent,
//! so every round has processes of its own.

use anyhow::{Context, Result};
use futures_util::stream::{self, StreamExt, TryStreamExt};

use crate::contender::Contender;
use crate::kind::{Kind, PACE, Regime};
use crate::load::session::Session;
use crate::load::turn::Turn;
use crate::processors::Processors;
use crate::proxy::{CONNECTIONS, Proxy};
use crate::report::Report;
use crate::shuffle::Shuffle;

/// Sessions that are held of each contender, of which each call is of any.
pub(crate) const SESSIONS: usize = 1000;

/// Proxies that start at a time: each takes a second of one processor.
const AT_ONCE: usize = 2;

/// Rounds in which there is one of what is measured rarely.
const RARE: usize = 3;

pub(crate) async fn run(rounds: usize, processors: &Processors, report: &mut Report) -> Result<()> {
    let mut shuffle = Shuffle::default();
    for number in 0..rounds {
        eprintln!("round {} of {rounds}", number + 1);
        let is_due = |kind: Kind| !kind.is_rare() || number % RARE == 0;
        let kinds: Vec<_> = Kind::ALL.iter().copied().filter(|kind| is_due(*kind)).collect();
        let running = start(&report.contenders, processors, &mut shuffle).await?;
        for Running { number, proxy, .. } in &running {
            report.add_memory(*number, proxy.resident()?);
        }
        round(&kinds, &running, &mut shuffle, report)?;
    }
    Ok(())
}

/// A contender at work.
struct Running {
    number: usize,
    proxy: Proxy,
    sessions: Vec<Session>,
}

async fn start(
    contenders: &[Contender],
    processors: &Processors,
    shuffle: &mut Shuffle,
) -> Result<Vec<Running>> {
    processors.share()?;
    let start = |number: usize| async move {
        let contender = &contenders[number];
        let proxy = Proxy::start(&contender.start).await.context(contender.name)?;
        anyhow::Ok(Running { number, proxy, sessions: Vec::new() })
    };
    let order = stream::iter(shuffle.of(0..contenders.len()));
    let mut running: Vec<_> = order.map(start).buffered(AT_ONCE).try_collect().await?;
    processors.split(running.iter().map(|it| it.proxy.pid()))?;
    for Running { number, proxy, sessions } in &mut running {
        let contender = &contenders[*number];
        let opened = proxy.open(contender.client, SESSIONS);
        *sessions = opened.with_context(|| format!("sessions of {}", contender.name))?.0;
    }
    Ok(running)
}

fn round(
    kinds: &[Kind],
    running: &[Running],
    shuffle: &mut Shuffle,
    report: &mut Report,
) -> Result<()> {
    for kind in shuffle.of(kinds.iter().copied()) {
        for regime in [Regime::Full, Regime::Paced] {
            let mut turns = Vec::new();
            for Running { number, proxy, sessions } in running {
                let contender = &report.contenders[*number];
                if contender.measures(kind, regime) {
                    let mut load = proxy.load(kind, contender.client, sessions, CONNECTIONS)?;
                    load.full(regime.warm_up()).with_context(|| contender.name)?;
                    turns.push((*number, load, Turn::default()));
                }
            }
            let (count, time) = regime.turns(kind);
            for _ in 0..count {
                turns = shuffle.of(turns);
                for (_, load, sum) in &mut turns {
                    *sum += match regime {
                        Regime::Full => load.full(time)?,
                        Regime::Paced => load.paced(PACE, time)?,
                    };
                }
            }
            for (number, _, sum) in turns {
                report.add(kind, regime, number, sum);
            }
        }
    }
    Ok(())
}
