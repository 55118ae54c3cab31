//! Processor time of Envoy for each request, as a ratio to the same Envoy without Podpin, and to one
//! with an older build of it, measured in turns within one run.
//!
//! Processor time is counted for Envoy's process alone, so what clients and pods need beside it on
//! the same machine does not matter much. What does: the machine is faster and slower from moment to
//! moment, so those compared take short turns, many times over, and ratios are taken within a
//! round of them; and each process has its luck with the places of its memory, by several percent,
//! so every round has processes of its own.

use anyhow::{Context, Result};
use http::Response;
use kit::client::Ask;
use kit::envoy::Envoy;
use kit::mini_redis::Front;
use kit::pods::{App, Seen};
use kit::setup::SharedSetup;
use kit::{DOMAIN, STATEFUL_SET};

use crate::contender::{self, Contender};
use crate::kind::Kind;
use crate::load::Load;
use crate::processors::Processors;
use crate::report::{Report, Rule};
use crate::shuffle::Shuffle;

/// Turns of a contender within a round.
const TURNS: usize = 10;
/// Turns that do not count, before.
const WARM_UP: usize = 4;

pub(crate) async fn run(rounds: usize) -> Result<Vec<Rule>> {
    let setup = SharedSetup::start(Front::Webdis, App::Script(response)).await?;
    let contenders = contender::all(&setup)?;
    let mut report = Report::new(&contenders);
    let mut shuffle = Shuffle::default();
    let processors = Processors::given()?;
    for _ in 0..rounds {
        round(&setup, &contenders, &processors, &mut shuffle, &mut report).await?;
    }
    println!("Envoy's processor time a request, in {rounds} rounds; medians [quartiles]");
    print!("{report}");
    Ok(report.rules())
}

async fn round(
    setup: &SharedSetup,
    contenders: &[Contender],
    processors: &Processors,
    shuffle: &mut Shuffle,
    report: &mut Report<'_>,
) -> Result<()> {
    let mut running = Vec::new();
    processors.share()?;
    for number in shuffle.of(0..contenders.len()) {
        running.push((number, Running::start(&contenders[number], setup).await?));
    }
    processors.split(running.iter().map(|(_, running)| running.envoy.pid()))?;
    for kind in shuffle.of(Kind::ALL.iter().copied()) {
        let mut turns = Vec::new();
        for (number, running) in &running {
            if contenders[*number].kinds.contains(&kind) {
                turns.push((*number, running.load(kind).await?, 0.0));
            }
        }
        // V8 compiles again what turns out to be called often.
        for (_, load, _) in &mut turns {
            load.cost(WARM_UP * kind.requests()).await?;
        }
        for _ in 0..TURNS {
            turns = shuffle.of(turns);
            for (_, load, cost) in &mut turns {
                *cost += load.cost(kind.requests()).await? / TURNS as f64;
            }
            setup.pods.take_seen();
        }
        for (number, _, cost) in turns {
            report.add(kind, number, cost);
        }
    }
    Ok(())
}

/// A contender's process.
struct Running {
    envoy: Envoy,
    host: String,
    session: String,
}

impl Running {
    async fn start(contender: &Contender, setup: &SharedSetup) -> Result<Self> {
        let envoy = Envoy::start_single(&contender.bootstrap).await?;
        let got = Ask::initialize().send(&reqwest::Client::new(), &envoy.url("")).await?;
        let session = got.headers().get("mcp-session-id").context("no session")?;
        let session = session.to_str()?.to_owned();
        let host = match contender.by_pod {
            true => format!("{STATEFUL_SET}-1.{DOMAIN}:{}", setup.pods.port),
            false => "mcp.example".to_owned(),
        };
        Ok(Self { envoy, host, session })
    }

    async fn load(&self, kind: Kind) -> Result<Load> {
        Load::on(&self.envoy, &kind.ask(&self.session).header("host", &self.host)).await
    }
}

/// A pod's, which gives a session to whoever sends a short request without one.
fn response(seen: &Seen) -> Response<String> {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let mut response = Response::builder().header("content-type", "application/json");
    if let Some(session) = seen.headers.get("mcp-session-id") {
        response = response.header("mcp-session-id", session);
    } else if seen.body.len() < 1024 {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let session = format!("8d3cb1f6-6e40-4d3c-9f2b-{number:012x}");
        response = response.header("mcp-session-id", session);
    }
    response.body(r#"{"jsonrpc":"2.0","id":0,"result":{}}"#.to_owned()).expect("a response")
}
