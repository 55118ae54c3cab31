//! What the demonstrations show.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use anyhow::Result;

/// What came of some calls.
pub(crate) struct Outcome {
    pub(crate) name: &'static str,
    pub(crate) per_pod: [usize; 3],
    pub(crate) calls: usize,
    /// How long each call took that found its session.
    pub(crate) latencies: Vec<Duration>,
}

impl Outcome {
    pub(crate) fn lost(&self) -> usize {
        self.calls - self.latencies.len()
    }

    fn quantile(&self, part: f64) -> String {
        let mut latencies = self.latencies.clone();
        latencies.sort_unstable();
        let index = (latencies.len().saturating_sub(1) as f64 * part).round() as usize;
        let latency = latencies.get(index);
        latency.map_or("-".to_owned(), |time| format!("{:.2}ms", time.as_secs_f64() * 1e3))
    }
}

/// Prints outcomes beside each other.
pub(crate) fn table(outcomes: &[Outcome]) {
    let row = |name: &str, value: &dyn Fn(&Outcome) -> String| {
        let values: Vec<_> = outcomes.iter().map(|o| format!("{:>18}", value(o))).collect();
        println!("{name:26}{}", values.concat());
    };
    println!();
    row("", &|outcome| outcome.name.to_owned());
    row("sessions per pod", &|outcome| outcome.per_pod.map(|n| n.to_string()).join("/"));
    row("calls that found theirs", &|outcome| outcome.latencies.len().to_string());
    row("calls lost", &|outcome| outcome.lost().to_string());
    row("p50", &|outcome| outcome.quantile(0.50));
    row("p99", &|outcome| outcome.quantile(0.99));
}

/// Shows how far it is: on a terminal in one line that changes, else only at the end.
pub(crate) fn progress(text: &str, last: bool) -> Result<()> {
    let mut out = std::io::stdout();
    match (out.is_terminal(), last) {
        (true, false) => write!(out, "\r{text}")?,
        (true, true) => writeln!(out, "\r{text}")?,
        (false, false) => {}
        (false, true) => writeln!(out, "{text}")?,
    }
    Ok(out.flush()?)
}
