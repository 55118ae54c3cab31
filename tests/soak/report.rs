//! What a run found, in words and figures.

use std::fmt::Write;
use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};
use kit::machine;
use kit::root;
use kit::table::Table;

use crate::ledger::{Cause, Pod, What};
use crate::memory::Line;
use crate::pictures;
use crate::tally::{Counts, Kind, Lost};

/// What the generated part of the page stands between.
const BEGIN: &str = "<!-- Written by `make soak RECORD=yes`. -->\n";
const END: &str = "<!-- Written by hand. -->\n";

const PAGE: &str = "docs/reliability.md";

pub(crate) struct Report {
    pub(crate) seed: u64,
    pub(crate) time: Duration,
    pub(crate) counts: Counts,
    pub(crate) lines: Vec<Line>,
    /// What was broken, and when.
    pub(crate) broken: Vec<(Duration, What)>,
}

impl Report {
    /// What must not be, in words.
    pub(crate) fn wrong(&self) -> Vec<String> {
        let grown = self.lines.iter().filter(|line| line.grows());
        let grown = grown.map(|line| format!("Envoy {} grew: {:?}", line.envoy + 1, line.ends()));
        self.counts.wrong.iter().cloned().chain(grown).collect()
    }

    pub(crate) fn summary(&self) -> String {
        let counts = &self.counts;
        let mut text = String::new();
        let lost = |cause| Lost::ALL.map(|lost| counts.lost_by(lost, cause)).iter().sum::<u64>();
        let explained =
            Cause::ALL.into_iter().filter(|it| *it != Cause::None).map(lost).sum::<u64>();
        let _ = writeln!(
            text,
            "In {} minutes {} calls were served and {} things broken. {explained} losses are explained by \
             that, {}\nare not; {} calls hung, and {} were answered by a wrong pod.\n",
            minutes(self.time),
            counts.calls(),
            self.broken.len(),
            lost(Cause::None),
            counts.hung,
            counts.misrouted,
        );
        let _ = writeln!(text, "{}", self.causes());
        let _ = writeln!(text, "{}", self.clients());
        let _ = writeln!(text, "{}", self.memory());
        text
    }

    fn causes(&self) -> Table {
        let head = ["what was broken", "times", "sessions", "calls", "openings", "streams"];
        let mut table = Table::new(head);
        for cause in Cause::ALL {
            let times = self.broken.iter().filter(|(_, what)| cause_of(*what) == cause).count();
            let times = if cause == Cause::None { String::new() } else { times.to_string() };
            let lost = Lost::ALL.map(|lost| self.counts.lost_by(lost, cause).to_string());
            table.row([name(cause).to_owned(), times].into_iter().chain(lost));
        }
        table
    }

    fn clients(&self) -> Table {
        let head = [
            "clients",
            "number",
            "calls",
            "sessions",
            "lost",
            "calls lost",
            "events",
            "streams cut",
        ];
        let mut table = Table::new(head);
        for kind in Kind::ALL {
            let done = self.counts.done.get(&kind).copied().unwrap_or_default();
            let lost = |lost| {
                let all = self.counts.lost.iter();
                let all = all.filter(|((it, what, _), _)| *it == kind && *what == lost);
                all.map(|(_, count)| count).sum::<u64>().to_string()
            };
            table.row([
                kind.name().to_owned(),
                kind.clients().to_string(),
                done.calls.to_string(),
                done.opened.to_string(),
                lost(Lost::Session),
                lost(Lost::Call),
                done.events.to_string(),
                lost(Lost::Stream),
            ]);
        }
        table
    }

    fn memory(&self) -> Table {
        let mut table = Table::new(["memory", "minutes", "MB warm", "MB at the end", "MB at most"]);
        for envoy in [0, 1] {
            let lines = self.lines.iter().filter(|line| line.envoy == envoy);
            let Some(line) = lines.max_by_key(|line| line.duration()) else { continue };
            let first = line.samples.get(line.samples.len() / 10).map(|it| it.1);
            let last = line.samples.last().map(|it| it.1);
            let (warm, end) = line.ends().or(first.zip(last)).unwrap_or_default();
            table.row([
                format!("Envoy {}, its longest life", envoy + 1),
                minutes(line.duration()),
                format!("{warm:.1}"),
                format!("{end:.1}"),
                format!("{:.1}", line.most()),
            ]);
        }
        table
    }

    /// Writes the page's generated part and its pictures.
    pub(crate) fn record(&self) -> Result<()> {
        let directory = root().join("docs/reliability");
        fs::create_dir_all(&directory)?;
        fs::write(directory.join("memory.svg"), pictures::memory(self.time, &self.lines)?)?;
        let losses = pictures::losses(self.time, &self.counts.losses, &self.broken)?;
        fs::write(directory.join("losses.svg"), losses)?;
        let file = root().join(PAGE);
        let page = fs::read_to_string(&file)?;
        let (head, rest) = page.split_once(BEGIN).context("where the page's figures begin")?;
        let (_, tail) = rest.split_once(END).context("where they end")?;
        let mut figures = String::new();
        for line in machine::describe() {
            writeln!(figures, "{line}")?;
        }
        writeln!(figures, "- Seed: {}\n", self.seed)?;
        figures += &self.summary();
        figures += "![Memory of the two Envoys over time](reliability/memory.svg)\n\n";
        figures += "![Losses over time, and what was broken](reliability/losses.svg)\n";
        fs::write(file, format!("{head}{BEGIN}\n{figures}\n{END}{tail}"))?;
        Ok(())
    }
}

/// Whole ones, of a run that took many.
fn minutes(time: Duration) -> String {
    let minutes = time.as_secs_f64() / 60.0;
    let digits = usize::from(minutes < 10.0);
    format!("{minutes:.digits$}")
}

fn cause_of(what: What) -> Cause {
    match what {
        What::Pod(..) => Cause::Pod,
        What::Envoy(_) => Cause::Envoy,
        What::Redis { is_emptied: false } => Cause::Redis,
        What::Redis { is_emptied: true } => Cause::Emptied,
        What::Webdis => Cause::Webdis,
    }
}

fn name(cause: Cause) -> &'static str {
    match cause {
        Cause::Pod => "pod",
        Cause::Envoy => "Envoy",
        Cause::Redis => "Redis, data kept",
        Cause::Emptied => "Redis, data lost",
        Cause::Webdis => "webdis",
        Cause::None => "unexplained",
    }
}

/// Whether it is a kill, not a lesser trouble.
pub(crate) fn is_kill(what: What) -> bool {
    !matches!(what, What::Pod(_, Pod::Nameless | Pod::Slow | Pod::Errors))
}
