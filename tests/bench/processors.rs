//! One processor for the proxies, the others for everything else, as far as there are others: then neither
//! moves about, and a proxy finds what it left in its caches.

use std::fs;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// The processors that this process was given.
pub(crate) struct Processors(Vec<usize>);

impl Processors {
    pub(crate) fn given() -> Result<Self> {
        let status = fs::read_to_string("/proc/self/status")?;
        let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
        let mut given = Vec::new();
        for range in list.context("Cpus_allowed_list")?.trim().split(',') {
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            given.extend(first.parse::<usize>()?..=last.parse()?);
        }
        Ok(Self(given))
    }

    /// Gives this process all of them, and with it what it starts from now on.
    pub(crate) fn share(&self) -> Result<()> {
        pin(std::process::id(), &self.0)
    }

    /// Gives the last to these processes and the others to this one.
    pub(crate) fn split(&self, proxies: impl IntoIterator<Item = u32>) -> Result<()> {
        let Some((last, others @ [_, ..])) = self.0.split_last() else { return Ok(()) };
        pin(std::process::id(), others)?;
        for proxy in proxies {
            pin(proxy, &[*last])?;
        }
        Ok(())
    }
}

/// Lets all threads of a process run only there.
fn pin(pid: u32, processors: &[usize]) -> Result<()> {
    let list: Vec<_> = processors.iter().map(usize::to_string).collect();
    let taskset = || {
        Command::new("taskset")
            .args(["--all-tasks", "--cpu-list", "--pid", &list.join(","), &pid.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .context("taskset, of Debian's package util-linux, cannot be run")
    };
    // It gives up on a thread that ends meanwhile, such as one of a connection.
    for _ in 0..20 {
        if taskset()?.success() {
            return Ok(());
        }
    }
    bail!("taskset cannot give {list:?} to {pid}")
}
