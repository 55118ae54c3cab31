//! Many sessions held at a time: what a call of any of them costs, whether any is lost, and what memory
//! they take.

use anyhow::{Result, bail};
use kit::bootstrap::Bootstrap;
use kit::envoy::Envoy;
use serde_json::json;

use crate::figures::{Figures, Spread};
use crate::kind::{Kind, Regime};
use crate::load::session::{Client, Session};
use crate::load::turn::Turn;
use crate::processors::Processors;
use crate::proxy::{CONNECTIONS, Proxy};
use crate::rules::{Rule, Verdict};
use crate::shuffle::Shuffle;

/// How many are held. All are compared with [`USUAL`].
const COUNTS: [usize; 4] = [1, 1_000, 10_000, 1_000_000];
const USUAL: usize = 1;

/// `store.capacity` of all.
pub(crate) const CAPACITY: usize = 1 << 20;

/// Times the cost of the usual number, and bytes of memory for each.
const MOST_COST: f64 = 1.1;
const MOST_BYTES: f64 = 80.0;

pub(crate) struct Row {
    pub(crate) count: usize,
    /// Microseconds of a processor that it took to open one.
    pub(crate) opening: f64,
    figures: Vec<Figures>,
    pub(crate) calls: u64,
    pub(crate) lost: u64,
    /// Sessions that gave way to others.
    pub(crate) evicted: u64,
    /// MB that the proxy holds.
    pub(crate) memory: f64,
}

pub(crate) struct Held(pub(crate) Vec<Row>);

struct Running {
    proxy: Proxy,
    sessions: Vec<Session>,
}

/// Of the example, with either module.
pub(crate) async fn run(
    rounds: usize,
    example: &Bootstrap,
    processors: &Processors,
) -> Result<Held> {
    let example = example.clone().plugin(|plugin| {
        plugin["store"] = json!({"kind": "shared_data", "capacity": CAPACITY});
    });
    let mut running = Vec::new();
    let mut rows = Vec::new();
    for count in COUNTS {
        eprintln!("{count} sessions held");
        let (proxy, sessions, opening) = open(count, &example, processors).await?;
        let memory = proxy.resident()?;
        let (figures, calls, lost, evicted) = Default::default();
        rows.push(Row { count, opening, figures, calls, lost, evicted, memory });
        running.push(Running { proxy, sessions });
    }
    let mut shuffle = Shuffle::default();
    for _ in 0..rounds {
        // Each process has its luck; those with few sessions can be started again.
        for number in [0, USUAL] {
            let (proxy, sessions, _) = open(COUNTS[number], &example, processors).await?;
            running[number] = Running { proxy, sessions };
        }
        let mut turns = Vec::new();
        for (number, Running { proxy, sessions }) in running.iter().enumerate() {
            let mut load = proxy.load(Kind::Call, Client::Plain, sessions, CONNECTIONS)?;
            load.full(Regime::Full.warm_up())?;
            turns.push((number, load, Turn::default()));
        }
        let (count, time) = Regime::Full.turns(Kind::Call);
        for _ in 0..count {
            turns = shuffle.of(turns);
            for (_, load, sum) in &mut turns {
                *sum += load.full(time)?;
            }
        }
        for (number, _, sum) in turns {
            rows[number].calls += sum.calls;
            rows[number].lost += sum.lost;
            rows[number].figures.push(sum.into());
        }
    }
    for (row, Running { proxy, .. }) in rows.iter_mut().zip(&running) {
        let Proxy::Envoy(envoy) = proxy else { bail!("no Envoy") };
        row.evicted = envoy.counter("evicted").await;
    }
    Ok(Held(rows))
}

/// An Envoy that holds so many, and what opening one took.
async fn open(
    count: usize,
    example: &Bootstrap,
    processors: &Processors,
) -> Result<(Proxy, Vec<Session>, f64)> {
    processors.share()?;
    let proxy = Proxy::Envoy(Envoy::start_single(example).await?);
    processors.split([proxy.pid()])?;
    let (sessions, turn) = proxy.open(Client::Plain, count)?;
    Ok((proxy, sessions, turn.cost()))
}

impl Row {
    /// The cost of a call and its 99th percentile.
    pub(crate) fn spreads(&self) -> [Spread; 2] {
        let spread = |figure: fn(&Figures) -> f64| Spread::of(self.figures.iter().map(figure));
        [spread(|it| it.cost), spread(|it| it.most)]
    }
}

impl Held {
    /// The cost of a call, times that of one with the usual number of sessions.
    pub(crate) fn ratio(&self, number: usize) -> Spread {
        let [it, usual] = [number, USUAL].map(|number| &self.0[number].figures);
        Spread::of(it.iter().zip(usual).map(|(it, usual)| it.cost / usual.cost))
    }

    /// Bytes that each of the most takes.
    pub(crate) fn bytes(&self) -> f64 {
        let (usual, most) = (&self.0[USUAL], &self.0[COUNTS.len() - 1]);
        (most.memory - usual.memory) * 1024.0 * 1024.0 / (most.count - usual.count) as f64
    }

    pub(crate) fn rules(&self) -> Vec<Rule> {
        let last = COUNTS.len() - 1;
        let most = &self.0[last];
        let gone = most.lost + most.evicted;
        let text = format!(
            "{gone} calls lost and sessions evicted, at most 0: {} of {CAPACITY}",
            most.count
        );
        vec![
            Rule::at_most(MOST_COST, self.ratio(last).median, "x 1000 sessions: 1000000 sessions"),
            Rule::at_most(MOST_BYTES, self.bytes(), "bytes of memory for each of 1000000 sessions"),
            Rule { text, verdict: Verdict::of(gone == 0) },
        ]
    }
}
