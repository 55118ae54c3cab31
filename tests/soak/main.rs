//! Trouble without end: pods are killed, come back on the same or another address, lose their name, become
//! slow or answer 500, while clients call. No client may ever be served by another's session, be told
//! anything but what the trouble explains, or be left without a session once it is over.

mod client;

use std::process::ExitCode;

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use kit::bootstrap::Bootstrap;
use kit::dns::pod_ip;
use kit::pods::{App, Trouble};
use kit::setup::Setup;
use tokio::sync::watch;
use tokio::task::JoinSet;

use client::Seen;

const CLIENTS: usize = 20;
const PODS: usize = 3;

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
    let end = Instant::now() + Duration::from_secs_f64(60.0 * minutes);
    let change = |example: Bootstrap| {
        example.plugin(|plugin| plugin["placement"] = serde_json::json!({"eject": "1s"}))
    };
    let mut setup = Setup::start("envoy.yaml", App::Dialects, change).await?;
    let (state, states) = watch::channel(State::Trouble);
    let mut clients = JoinSet::new();
    for number in 0..CLIENTS {
        clients.spawn(client::run(number, setup.envoy.url(""), states.clone()));
    }
    let (mut dice, mut ips, mut round) = (Dice(1), [0, 1, 2].map(pod_ip), 0);
    while Instant::now() < end {
        let ordinal = dice.below(PODS);
        let what = trouble(&mut setup, &mut dice, &mut ips, ordinal).await?;
        round += 1;
        println!("{round}: pod {ordinal} {what}");
        setup.envoy.stats("server.live").await.context("Envoy is gone")?;
    }
    state.send(State::Calm)?;
    let mut seen = Seen::default();
    while let Some(client) = clients.join_next().await {
        seen.add(client??);
    }
    println!("\n{seen}");
    ensure!(seen.lost > 0 || round < 10, "no trouble cost a session: nothing was shown");
    Ok(())
}

/// Whether trouble is made.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum State {
    Trouble,
    /// No more: each client has to end up with a session that works.
    Calm,
}

/// Makes one trouble, lets it be for a while, and ends it.
async fn trouble(
    setup: &mut Setup,
    dice: &mut Dice,
    ips: &mut [std::net::Ipv4Addr; PODS],
    ordinal: usize,
) -> Result<&'static str> {
    let lasts = Duration::from_millis(200 + dice.below(2000) as u64);
    let names = |ips: &[std::net::Ipv4Addr; PODS]| ips.map(Some);
    let what = match dice.below(5) {
        0 | 1 => {
            setup.pods.stop(ordinal).await;
            tokio::time::sleep(lasts).await;
            let moves = dice.below(2) == 1;
            if moves {
                let other = if ips[ordinal] == pod_ip(ordinal) { ordinal + PODS } else { ordinal };
                ips[ordinal] = pod_ip(other);
            }
            setup.pods.start_again_at(ordinal, ips[ordinal])?;
            setup.dns.set(&names(ips), &[0, 1, 2]).await?;
            if moves { "was killed and came back elsewhere" } else { "was killed and came back" }
        }
        2 => {
            let mut without = names(ips);
            without[ordinal] = None;
            setup.dns.set(&without, &[0, 1, 2]).await?;
            tokio::time::sleep(lasts).await;
            setup.dns.set(&names(ips), &[0, 1, 2]).await?;
            "had no name"
        }
        3 => {
            setup.pods.trouble(ordinal, Trouble::Slow(Duration::from_millis(300)));
            tokio::time::sleep(lasts).await;
            setup.pods.trouble(ordinal, Trouble::None);
            "was slow"
        }
        _ => {
            setup.pods.trouble(ordinal, Trouble::Errors);
            tokio::time::sleep(lasts).await;
            setup.pods.trouble(ordinal, Trouble::None);
            "answered 500"
        }
    };
    setup.pods.take_seen();
    Ok(what)
}

/// Numbers that are the same in every run (SplitMix64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % bound as u64) as usize
    }
}
