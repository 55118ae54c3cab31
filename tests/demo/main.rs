//! The main job on one screen: three MCP servers that keep sessions in memory, Envoy in front of
//! them, and sessions of a real MCP client, first without Podpin and then with it.
//!
//! `demo` measures both and fails if a call is lost with Podpin; `demo up` leaves the set-up
//! running.

mod up;

use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use kit::bootstrap::Bootstrap;
use kit::client::Session;
use kit::pods::App;
use kit::setup::Setup;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

const SESSIONS: usize = 30;
const CALLS: usize = 20;
/// How many sessions run side by side: enough to share a pod, too few to keep two cores busy, so
/// that the time of a call is not the time it waited for a processor.
const AT_ONCE: usize = 2;

#[tokio::main]
async fn main() -> ExitCode {
    let result = match std::env::args().nth(1).as_deref() {
        None => demonstrate().await,
        Some("up") => up::run().await,
        Some(other) => Err(anyhow::anyhow!("{other:?} is not known here; there is only up")),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("podpin: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn demonstrate() -> Result<()> {
    println!("{SESSIONS} sessions of {CALLS} calls, on 3 pods behind one Envoy\n");
    let without = measure("without Podpin", Bootstrap::without_podpin).await?;
    let with = measure("with Podpin", |example| example).await?;
    println!("\n{:24}{:>16}{:>16}", "", "without Podpin", "with Podpin");
    let row = |name: &str, value: fn(&Outcome) -> String| {
        println!("{name:24}{:>16}{:>16}", value(&without), value(&with));
    };
    row("sessions per pod", |outcome| {
        outcome.per_pod.map(|sessions| sessions.to_string()).join(" / ")
    });
    row("calls that found theirs", |outcome| outcome.latencies.len().to_string());
    row("calls lost", |outcome| outcome.lost().to_string());
    row("p50", |outcome| milliseconds(outcome.quantile(0.50)));
    row("p99", |outcome| milliseconds(outcome.quantile(0.99)));
    match with.lost() {
        0 => Ok(()),
        lost => bail!("{lost} calls were lost with Podpin"),
    }
}

/// What came of all sessions.
struct Outcome {
    per_pod: [usize; 3],
    /// How long each call took that reached its session, shortest first.
    latencies: Vec<Duration>,
}

impl Outcome {
    fn lost(&self) -> usize {
        SESSIONS * CALLS - self.latencies.len()
    }

    fn quantile(&self, part: f64) -> Option<Duration> {
        let last = self.latencies.len().checked_sub(1)?;
        self.latencies.get((last as f64 * part).round() as usize).copied()
    }
}

fn milliseconds(duration: Option<Duration>) -> String {
    duration.map_or("-".to_owned(), |duration| format!("{:.2} ms", duration.as_secs_f64() * 1e3))
}

async fn measure(name: &str, change: impl FnOnce(Bootstrap) -> Bootstrap) -> Result<Outcome> {
    let setup = Setup::start("envoy.yaml", App::Stateful, change).await?;
    let url = setup.envoy.url("/mcp");
    let place = Arc::new(Semaphore::new(AT_ONCE));
    let mut running = JoinSet::new();
    for _ in 0..SESSIONS {
        let (url, place) = (url.clone(), place.clone());
        running.spawn(async move {
            let _place = place.acquire().await;
            run_session(&url).await
        });
    }
    let mut latencies = Vec::new();
    let mut done = 0;
    while let Some(session) = running.join_next().await {
        latencies.extend(session?);
        done += 1;
        show(&format!("{name}: {done} of {SESSIONS} sessions"), done == SESSIONS)?;
    }
    latencies.sort_unstable();
    let mut per_pod = [0; 3];
    for (ordinal, seen) in setup.pods.take_seen() {
        per_pod[ordinal] += usize::from(!seen.headers.contains_key("mcp-session-id"));
    }
    Ok(Outcome { per_pod, latencies })
}

/// Shows how far it is: on a terminal in one line that changes, else only at the end.
fn show(progress: &str, last: bool) -> Result<()> {
    let mut out = std::io::stdout();
    match (out.is_terminal(), last) {
        (true, false) => write!(out, "\r{progress}")?,
        (true, true) => writeln!(out, "\r{progress}")?,
        (false, false) => {}
        (false, true) => writeln!(out, "{progress}")?,
    }
    Ok(out.flush()?)
}

/// How long each call took that reached its session. A session that cannot even be opened, because
/// its second message went astray, has none.
async fn run_session(url: &str) -> Vec<Duration> {
    let Ok(session) = Session::open(reqwest::Client::new(), url).await else {
        return Vec::new();
    };
    let mut latencies = Vec::new();
    for _ in 0..CALLS {
        let start = Instant::now();
        if session.count().await.is_ok_and(|count| count as usize == latencies.len() + 1) {
            latencies.push(start.elapsed());
        }
    }
    latencies
}
