//! The last act: a pod is killed under live clients and comes back without their sessions.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use kit::client::Session;
use kit::pods::App;
use kit::setup::Setup;
use tokio::sync::{Barrier, watch};
use tokio::task::JoinSet;

const CLIENTS: usize = 30;
const KILLED: usize = 1;
/// So many calls each client makes after that.
const CALLS: usize = 100;

/// What one client saw.
struct Seen {
    /// It was told that its session is lost so long after the pod was killed.
    told: Option<Duration>,
    /// Calls that failed without that it was told so: the pod was gone just then.
    failed: usize,
    /// Its new session, or the old one, counted on.
    works: bool,
}

pub(crate) async fn run() -> Result<()> {
    println!(
        "\n{CLIENTS} clients that call without a pause; pod {KILLED} of 3 is killed and starts again\n"
    );
    let mut setup = Setup::start("envoy.yaml", App::Stateful, |example| example).await?;
    let url = setup.envoy.url("/mcp");
    let (kill, killed) = watch::channel(None);
    let mut clients = JoinSet::new();
    let ready = Arc::new(Barrier::new(CLIENTS + 1));
    for _ in 0..CLIENTS {
        clients.spawn(calls(url.clone(), ready.clone(), killed.clone()));
    }
    ready.wait().await;
    kill.send(Some(Instant::now()))?;
    setup.pods.stop(KILLED).await;
    setup.pods.start_again(KILLED)?;
    let mut seen = Vec::new();
    while let Some(client) = clients.join_next().await {
        seen.push(client??);
    }
    report(&seen)
}

/// Calls on and on, with a new session whenever the old one is lost, until a while after the pod was killed.
async fn calls(
    url: String,
    ready: Arc<Barrier>,
    killed: watch::Receiver<Option<Instant>>,
) -> Result<Seen> {
    let open = || Session::open(reqwest::Client::new(), &url);
    let (mut session, mut wanted) = (open().await.context("a first session")?, 1);
    ready.wait().await;
    let mut seen = Seen { told: None, failed: 0, works: false };
    let mut left = CALLS;
    while left > 0 {
        let killed = *killed.borrow();
        left -= usize::from(killed.is_some());
        match session.count().await {
            Ok(count) => {
                ensure!(count == wanted, "a call reached another session");
                (seen.works, wanted) = (true, wanted + 1);
            }
            Err(error) => {
                seen.works = false;
                let is_told = format!("{error:?}").contains("SessionExpired")
                    || format!("{error:?}").contains("Session not found")
                    || format!("{error:?}").contains("404");
                match killed {
                    Some(since) if is_told => {
                        seen.told.get_or_insert(since.elapsed());
                    }
                    _ => seen.failed += 1,
                }
                if let Ok(new) = open().await {
                    (session, wanted) = (new, 1);
                }
            }
        }
    }
    Ok(seen)
}

fn report(seen: &[Seen]) -> Result<()> {
    let told: Vec<_> = seen.iter().filter_map(|seen| seen.told).collect();
    let cut_off = seen.iter().filter(|seen| seen.told.is_none() && seen.failed > 0).count();
    let lost = told.len() + cut_off;
    let working = seen.iter().filter(|seen| seen.works).count();
    let last = told.iter().max().map(|last| format!("{:.1}ms", last.as_secs_f64() * 1e3));
    let row = |name: &str, value: String| println!("{name:26}{value:>18}");
    row("sessions lost", lost.to_string());
    row("with a call under way", cut_off.to_string());
    row("answered 404", told.len().to_string());
    row("the last of these after", last.unwrap_or_else(|| "-".to_owned()));
    row("clients that work", format!("{working} of {}", seen.len()));
    ensure!(working == seen.len(), "not all clients work again");
    ensure!(lost < seen.len(), "sessions of other pods were lost");
    Ok(())
}
