//! What memory the Envoys hold, over time.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;

use crate::clients::Soak;

/// The time after its start in which an Envoy gets what it needs.
const WARM_UP: Duration = Duration::from_secs(120);

/// What a line may grow by, as a part of what it was, before that is a leak.
const MOST_GROWTH: f64 = 0.05;

/// The resident memory of one start of an Envoy.
#[derive(Clone, Debug, Default)]
pub(crate) struct Line {
    pub(crate) envoy: usize,
    /// Since the beginning of all, in MB.
    pub(crate) samples: Vec<(Duration, f64)>,
}

pub(crate) struct Memory {
    lines: Arc<Mutex<BTreeMap<u32, Line>>>,
    sampler: JoinHandle<()>,
}

impl Memory {
    /// Looks this often.
    pub(crate) fn watch(soak: Arc<Soak>, every: Duration) -> Self {
        let lines = Arc::<Mutex<BTreeMap<u32, Line>>>::default();
        let sampler = tokio::spawn({
            let lines = lines.clone();
            let start = soak.tally.start();
            async move {
                loop {
                    for it in soak.fleet.running() {
                        // It may be gone by now.
                        let Some(megabytes) = resident(it.pid) else { continue };
                        let mut lines = lines.lock().unwrap();
                        let line = lines.entry(it.start).or_default();
                        line.envoy = it.number;
                        line.samples.push((start.elapsed(), megabytes));
                    }
                    tokio::time::sleep_until((Instant::now() + every).into()).await;
                }
            }
        });
        Self { lines, sampler }
    }

    pub(crate) fn finish(self) -> Vec<Line> {
        self.sampler.abort();
        std::mem::take(&mut *self.lines.lock().unwrap()).into_values().collect()
    }
}

fn resident(pid: u32) -> Option<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().trim_end_matches(" kB").parse::<f64>().ok()? / 1024.0)
}

// === impl Line ===

impl Line {
    pub(crate) fn duration(&self) -> Duration {
        match (self.samples.first(), self.samples.last()) {
            (Some(first), Some(last)) => last.0 - first.0,
            _ => Duration::ZERO,
        }
    }

    /// What it held when it had what it needs, and what at the end: medians of a tenth of the time each.
    /// None if it did not live for long enough to tell.
    pub(crate) fn ends(&self) -> Option<(f64, f64)> {
        if self.duration() < 4 * WARM_UP {
            return None;
        }
        let from = self.samples.first()?.0 + WARM_UP;
        let warm: Vec<_> = self.samples.iter().filter(|it| it.0 >= from).map(|it| it.1).collect();
        let tenth = (warm.len() / 10).max(1);
        Some((median(warm.get(..tenth)?), median(warm.get(warm.len() - tenth..)?)))
    }

    /// Whether it grew by more than it may.
    pub(crate) fn grows(&self) -> bool {
        self.ends().is_some_and(|(start, end)| end > start * (1.0 + MOST_GROWTH))
    }

    pub(crate) fn most(&self) -> f64 {
        self.samples.iter().map(|it| it.1).fold(0.0, f64::max)
    }
}

fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}
