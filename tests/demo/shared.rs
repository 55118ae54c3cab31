//! Sessions each of whose requests goes where a door leads at the time.

use std::time::Instant;

use anyhow::Result;
use kit::client::Session;
use kit::link::Balancer;
use kit::pods::Pods;

use crate::report::{Outcome, progress};

pub(crate) const SESSIONS: usize = 30;
const CALLS: usize = 5;

/// Opens them, each with the number that it counts to, and tells how many each pod got.
pub(crate) async fn open(
    door: &Balancer,
    pods: &Pods,
) -> Result<(Vec<(Session, u32)>, [usize; 3])> {
    let url = format!("http://{}/mcp", door.address);
    let mut sessions = Vec::new();
    for opened in 1..=SESSIONS {
        // Each request is a connection of its own.
        let http = reqwest::Client::builder().pool_max_idle_per_host(0).build()?;
        sessions.push((Session::open(http, &url).await?, 0));
        let text = format!("opened {opened} of {SESSIONS} sessions through the first Envoy");
        progress(&text, opened == SESSIONS)?;
    }
    let mut per_pod = [0; 3];
    for (ordinal, seen) in pods.take_seen() {
        per_pod[ordinal] += usize::from(!seen.headers.contains_key("mcp-session-id"));
    }
    Ok((sessions, per_pod))
}

/// Calls of each session, and what came of them.
pub(crate) async fn calls(
    name: &'static str,
    per_pod: [usize; 3],
    sessions: &mut [(Session, u32)],
) -> Result<Outcome> {
    let mut latencies = Vec::new();
    for (session, count) in sessions.iter_mut() {
        for _ in 0..CALLS {
            let start = Instant::now();
            if session.count().await.is_ok_and(|found| found == *count + 1) {
                latencies.push(start.elapsed());
                *count += 1;
            }
        }
    }
    Ok(Outcome { name, per_pod, calls: sessions.len() * CALLS, latencies })
}
