//! One worker thread and two: load, pods and proxy share all processors.

use anyhow::{Context, Result, bail};
use kit::envoy::Envoy;

use crate::contender::{Contender, Module, Start};
use crate::figures::{Figures, Spread};
use crate::kind::{Kind, Regime};
use crate::load::turn::Turn;
use crate::processors::Processors;
use crate::proxy::{CONNECTIONS, Proxy};
use crate::rounds::SESSIONS;
use crate::shuffle::Shuffle;

/// Those that are measured.
const NAMES: [&str; 5] = ["Envoy alone", "no-op", "authority", "dynamic_host", "endpoint"];

const COUNTS: [usize; 2] = [1, 2];

/// A contender with one worker, and with two.
pub(crate) struct Row {
    pub(crate) title: String,
    pub(crate) is_in_wasm: bool,
    figures: [Vec<Figures>; COUNTS.len()],
    memory: [Vec<f64>; COUNTS.len()],
}

impl Row {
    fn new(contender: &Contender) -> Self {
        let is_in_wasm = contender.name != NAMES[0];
        let (figures, memory) = Default::default();
        Self { title: contender.title(), is_in_wasm, figures, memory }
    }

    /// A figure with one worker and with two.
    pub(crate) fn spreads(&self, figure: fn(&Figures) -> f64) -> [Spread; COUNTS.len()] {
        self.figures.each_ref().map(|figures| Spread::of(figures.iter().map(figure)))
    }

    /// MB that the second worker takes.
    pub(crate) fn memory_of_worker(&self) -> f64 {
        let [one, two] = self.memory.each_ref().map(|all| Spread::of(all.iter().copied()).median);
        two - one
    }
}

pub(crate) async fn run(
    rounds: usize,
    contenders: &[Contender],
    processors: &Processors,
) -> Result<Vec<Row>> {
    processors.share()?;
    let is_one = |it: &&Contender| NAMES.contains(&it.name) && it.module != Module::Older;
    let contenders: Vec<_> = contenders.iter().filter(is_one).collect();
    let mut rows: Vec<_> = contenders.iter().map(|contender| Row::new(contender)).collect();
    let mut shuffle = Shuffle::default();
    for number in 0..rounds {
        eprintln!("worker threads, round {} of {rounds}", number + 1);
        let mut running = Vec::new();
        let pairs = (0..contenders.len()).flat_map(|row| COUNTS.map(|count| (row, count)));
        for (row, count) in shuffle.of(pairs) {
            let proxy = start(contenders[row], count).await?;
            let sessions = proxy.open(contenders[row].client, SESSIONS)?.0;
            rows[row].memory[count - 1].push(proxy.resident()?);
            running.push((row, count, proxy, sessions));
        }
        let mut turns = Vec::new();
        for (row, count, proxy, sessions) in &running {
            let client = contenders[*row].client;
            let mut load = proxy.load(Kind::Call, client, sessions, 2 * CONNECTIONS)?;
            load.full(Regime::Full.warm_up())?;
            turns.push((*row, *count, load, Turn::default()));
        }
        let (count, time) = Regime::Full.turns(Kind::Call);
        for _ in 0..count {
            turns = shuffle.of(turns);
            for (_, _, load, sum) in &mut turns {
                *sum += load.full(time)?;
            }
        }
        for (row, count, _, sum) in turns {
            rows[row].figures[count - 1].push(sum.into());
        }
    }
    Ok(rows)
}

async fn start(contender: &Contender, workers: usize) -> Result<Proxy> {
    let Start::Envoy(bootstrap) = &contender.start else { bail!("{} is no Envoy", contender.name) };
    let envoy = match workers {
        1 => Envoy::start_single(bootstrap).await,
        _ => Envoy::start(bootstrap).await,
    };
    Ok(Proxy::Envoy(envoy.context(contender.name)?))
}
