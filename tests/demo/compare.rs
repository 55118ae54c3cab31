//! The same sessions without Podpin and with it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use kit::bootstrap::Bootstrap;
use kit::client::Session;
use kit::pods::App;
use kit::setup::Setup;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::report::{Outcome, progress, table};

const SESSIONS: usize = 30;
const CALLS: usize = 20;

/// How many sessions run side by side: enough to share a pod, too few to keep two cores busy, so
/// that the time of a call is not the time it waited for a processor.
const AT_ONCE: usize = 2;

pub(crate) async fn run() -> Result<()> {
    println!("{SESSIONS} sessions of {CALLS} calls, on 3 pods behind one Envoy\n");
    let without = measure("without Podpin", as_a_service).await?;
    let with = measure("with Podpin", |example| example).await?;
    let outcomes = [without, with];
    table(&outcomes);
    match outcomes[1].lost() {
        0 => Ok(()),
        lost => bail!("{lost} calls were lost with Podpin"),
    }
}

/// Any pod for any request, as a Kubernetes Service picks them.
fn as_a_service(example: Bootstrap) -> Bootstrap {
    example.without_podpin().balanced_by("RANDOM")
}

async fn measure(
    name: &'static str,
    change: impl FnOnce(Bootstrap) -> Bootstrap,
) -> Result<Outcome> {
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
    let (mut latencies, mut done) = (Vec::new(), 0);
    while let Some(session) = running.join_next().await {
        latencies.extend(session?);
        done += 1;
        progress(&format!("{name}: {done} of {SESSIONS} sessions"), done == SESSIONS)?;
    }
    let mut per_pod = [0; 3];
    for (ordinal, seen) in setup.pods.take_seen() {
        per_pod[ordinal] += usize::from(!seen.headers.contains_key("mcp-session-id"));
    }
    Ok(Outcome { name, per_pod, calls: SESSIONS * CALLS, latencies })
}

/// How long each call took that found its session. A session that cannot even be opened, because
/// its second message went astray, has none.
async fn run_session(url: &str) -> Vec<Duration> {
    let Ok(session) = Session::open(reqwest::Client::new(), url).await else { return Vec::new() };
    let mut latencies = Vec::new();
    for _ in 0..CALLS {
        let start = Instant::now();
        if session.count().await.is_ok_and(|count| count as usize == latencies.len() + 1) {
            latencies.push(start.elapsed());
        }
    }
    latencies
}
