//! Breaks one thing after the other, and makes it whole again.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use kit::bootstrap::Bootstrap;
use kit::dns::pod_ip;
use kit::envoy::Envoy;
use kit::pods::Trouble;
use kit::setup::{RedisFront, SharedSetup};

use crate::clients::Soak;
use crate::dice::Dice;
use crate::fleet::ENVOYS;
use crate::ledger::{Pod, What};

pub(crate) const PODS: usize = 3;

/// The Envoy that is killed once only, so that its memory can be watched for long, and the other one.
const STEADY: usize = 0;
const OTHER: usize = 1;

pub(crate) struct Field {
    pub(crate) setup: SharedSetup,
    pub(crate) envoys: [Option<Envoy>; ENVOYS],
    pub(crate) bootstrap: Bootstrap,
    ips: [Ipv4Addr; PODS],
    soak: Arc<Soak>,
    dice: Dice,
}

impl Field {
    pub(crate) fn new(
        setup: SharedSetup,
        bootstrap: Bootstrap,
        envoys: [Envoy; ENVOYS],
        soak: Arc<Soak>,
        seed: u64,
    ) -> Self {
        let ips = [0, 1, 2].map(pod_ip);
        Self { setup, envoys: envoys.map(Some), bootstrap, ips, soak, dice: Dice::new(seed) }
    }

    /// Makes trouble for so long. The steady Envoy is killed once, at a fifth of the time to two fifths.
    pub(crate) async fn trouble(&mut self, time: Duration) -> Result<()> {
        let start = Instant::now();
        let mut steady = Some(time.mul_f64(0.2 + 0.2 * self.dice.below(1000) as f64 / 1000.0));
        // With pauses, so that what no trouble explains can show.
        let pause = (time.as_millis() as u64 / 60).clamp(1000, 9000);
        while start.elapsed() < time {
            tokio::time::sleep(self.dice.between(pause / 2, pause * 3 / 2)).await;
            let what = match steady.take_if(|at| start.elapsed() >= *at) {
                Some(_) => What::Envoy(STEADY),
                None => self.any(),
            };
            let number = self.soak.ledger.begin(what);
            let how = self.make(what).await.with_context(|| format!("{what:?}"))?;
            self.soak.ledger.end(number);
            println!("{:7.1} s: {how}", start.elapsed().as_secs_f64());
            // What nobody looks at.
            self.setup.pods.take_seen();
            for envoy in self.envoys.iter().flatten() {
                envoy.stats("server.live").await.context("an Envoy is gone")?;
            }
        }
        Ok(())
    }

    fn any(&mut self) -> What {
        let ordinal = self.dice.below(PODS);
        match self.dice.below(20) {
            0..7 => What::Pod(ordinal, Pod::Killed),
            7..9 => What::Pod(ordinal, Pod::Nameless),
            9 => What::Pod(ordinal, Pod::Slow),
            10..12 => What::Pod(ordinal, Pod::Errors),
            12..15 => What::Envoy(OTHER),
            15..17 => What::Redis { is_emptied: false },
            17..19 => What::Redis { is_emptied: true },
            _ => What::Webdis,
        }
    }

    /// Breaks it, waits and makes it whole. Says what was done.
    async fn make(&mut self, what: What) -> Result<String> {
        let lasts = self.dice.between(200, 2200);
        let done = match what {
            What::Pod(ordinal, how) => {
                let done = match how {
                    Pod::Killed => self.kill_pod(ordinal, lasts).await?,
                    Pod::Nameless => {
                        let mut names = self.ips.map(Some);
                        names[ordinal] = None;
                        self.setup.dns.set(&names, &[0, 1, 2]).await?;
                        tokio::time::sleep(lasts).await;
                        self.name_pods().await?;
                        "had no name"
                    }
                    Pod::Slow => {
                        let trouble = Trouble::Slow(Duration::from_millis(300));
                        self.trouble_pod(ordinal, trouble, lasts).await;
                        "was slow"
                    }
                    Pod::Errors => {
                        self.trouble_pod(ordinal, Trouble::Errors, lasts).await;
                        "answered 500"
                    }
                };
                format!("pod {ordinal} {done}")
            }
            What::Envoy(number) => {
                // By SIGKILL.
                drop(self.envoys[number].take());
                self.soak.fleet.remove(number);
                tokio::time::sleep(lasts).await;
                let envoy = Envoy::start(&self.bootstrap).await?;
                self.soak.fleet.add(number, &envoy);
                self.envoys[number] = Some(envoy);
                format!("Envoy {} was killed and started", number + 1)
            }
            What::Redis { is_emptied } => {
                self.setup.redis.stop();
                tokio::time::sleep(lasts).await;
                if is_emptied {
                    self.setup.redis.empty()?;
                }
                self.setup.redis.run().await?;
                let kept = if is_emptied { "without" } else { "with" };
                format!("Redis was killed and started {kept} its data")
            }
            What::Webdis => {
                let RedisFront::Webdis(webdis) = &mut self.setup.front else { bail!("no webdis") };
                webdis.stop();
                tokio::time::sleep(lasts).await;
                anyhow::ensure!(webdis.run().await?, "webdis cannot listen where it did");
                "webdis was killed and started".to_owned()
            }
        };
        Ok(done)
    }

    async fn kill_pod(&mut self, ordinal: usize, lasts: Duration) -> Result<&'static str> {
        self.setup.pods.stop(ordinal).await;
        tokio::time::sleep(lasts).await;
        let moves = self.dice.once_in(2);
        if moves {
            let is_home = self.ips[ordinal] == pod_ip(ordinal);
            self.ips[ordinal] = pod_ip(if is_home { ordinal + PODS } else { ordinal });
        }
        let back = Instant::now();
        // Somebody else may have the port there for a while.
        while let Err(error) = self.setup.pods.start_again_at(ordinal, self.ips[ordinal]) {
            if back.elapsed() > Duration::from_secs(60) {
                return Err(error);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        self.name_pods().await?;
        Ok(if moves { "was killed and came back elsewhere" } else { "was killed and came back" })
    }

    async fn trouble_pod(&self, ordinal: usize, trouble: Trouble, lasts: Duration) {
        self.setup.pods.trouble(ordinal, trouble);
        tokio::time::sleep(lasts).await;
        self.setup.pods.trouble(ordinal, Trouble::None);
    }

    async fn name_pods(&self) -> Result<()> {
        self.setup.dns.set(&self.ips.map(Some), &[0, 1, 2]).await
    }
}
