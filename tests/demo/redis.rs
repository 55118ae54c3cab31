//! Sessions that move between two Envoys, and outlive both.

use std::time::Instant;

use anyhow::{Result, bail};
use kit::client::Session;
use kit::link::Balancer;
use kit::mini_redis::Front;
use kit::pods::App;
use kit::setup::SharedSetup;

use crate::report::{Outcome, progress, table};

const SESSIONS: usize = 30;
const CALLS: usize = 5;

pub(crate) async fn run() -> Result<()> {
    println!("{SESSIONS} sessions on 3 pods behind two Envoys that share a Redis\n");
    let setup = SharedSetup::start(Front::Webdis, App::Stateful).await?;
    let (one, other) = (setup.envoy().await?, setup.envoy().await?);
    let door = Balancer::over(vec![one.address]).await?;
    let url = format!("http://{}/mcp", door.address);
    let mut sessions = Vec::new();
    for opened in 1..=SESSIONS {
        // Each request is a connection of its own, so it goes where the door leads at the time.
        let http = reqwest::Client::builder().pool_max_idle_per_host(0).build()?;
        sessions.push((Session::open(http, &url).await?, 0));
        let text = format!("opened {opened} of {SESSIONS} sessions through the first Envoy");
        progress(&text, opened == SESSIONS)?;
    }
    let mut per_pod = [0; 3];
    for (ordinal, seen) in setup.pods.take_seen() {
        per_pod[ordinal] += usize::from(!seen.headers.contains_key("mcp-session-id"));
    }

    let mut outcomes = vec![calls("first Envoy", per_pod, &mut sessions).await?];
    door.set(vec![other.address]);
    outcomes.push(calls("second Envoy", per_pod, &mut sessions).await?);
    drop((one, other));
    let (one, other) = (setup.envoy().await?, setup.envoy().await?);
    println!("both Envoys were killed and started again");
    door.set(vec![one.address, other.address]);
    outcomes.push(calls("both, restarted", per_pod, &mut sessions).await?);
    table(&outcomes);
    println!("\n{} keys in Redis", setup.redis.keys().await);
    match outcomes.iter().map(Outcome::lost).sum() {
        0 => Ok(()),
        lost => bail!("{lost} calls were lost"),
    }
}

async fn calls(
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
