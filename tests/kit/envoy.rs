//! A real Envoy as a child process.

use std::collections::HashMap;
use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;
use tempfile::TempDir;

use crate::bootstrap::Bootstrap;
use crate::wait::until;
use crate::{SCOPE, root, sealed};

/// A listener that was replaced closes its connections by and by, the sooner the more requests come.
/// None of a test's is to be closed so.
const NEVER: Duration = Duration::from_secs(36000);

/// The file in which an Envoy says how the next one finds it.
const BASE_ID: &str = "base-id";

/// How to start an Envoy.
struct Start {
    workers: u32,
    drain_time: Duration,
    /// Whether its access log goes to standard output.
    is_loud: bool,
    epoch: Epoch,
    /// What it has in its environment beside what this process has.
    variables: Vec<(&'static str, String)>,
}

/// Which of the processes that take over from each other.
enum Epoch {
    Only,
    First,
    /// With the id of the first.
    Second(String),
}

impl Default for Start {
    fn default() -> Self {
        Self {
            workers: 2,
            drain_time: NEVER,
            is_loud: false,
            epoch: Epoch::Only,
            variables: Vec::new(),
        }
    }
}

pub struct Envoy {
    /// Where the listener `mcp` is.
    pub address: SocketAddr,
    /// Where the admin interface is.
    pub admin: SocketAddr,
    /// Its configuration, logs and access log. Removed with it.
    pub directory: TempDir,
    process: Child,
}

impl Envoy {
    /// Starts Envoy with two workers and waits until it serves. It ends when this is dropped, or
    /// when this thread ends.
    pub async fn start(bootstrap: &Bootstrap) -> Result<Self> {
        Self::start_as(bootstrap, Start::default()).await
    }

    /// The same, but a listener that was replaced is soon gone.
    pub async fn start_brief(bootstrap: &Bootstrap) -> Result<Self> {
        let drain_time = Duration::from_secs(1);
        Self::start_as(bootstrap, Start { drain_time, ..Start::default() }).await
    }

    /// The same with one worker, so that nothing depends on how connections fall to workers.
    pub async fn start_single(bootstrap: &Bootstrap) -> Result<Self> {
        Self::start_as(bootstrap, Start { workers: 1, ..Start::default() }).await
    }

    /// The same with the access log on standard output.
    pub async fn start_loud(bootstrap: &Bootstrap) -> Result<Self> {
        Self::start_as(bootstrap, Start { is_loud: true, ..Start::default() }).await
    }

    /// The same with these variables in its environment.
    pub async fn start_knowing(
        bootstrap: &Bootstrap,
        variables: Vec<(&'static str, String)>,
    ) -> Result<Self> {
        Self::start_as(bootstrap, Start { variables, ..Start::default() }).await
    }

    /// The same, and a listener that was replaced is soon gone.
    pub async fn start_brief_knowing(
        bootstrap: &Bootstrap,
        variables: Vec<(&'static str, String)>,
    ) -> Result<Self> {
        let drain_time = Duration::from_secs(1);
        Self::start_as(bootstrap, Start { variables, drain_time, ..Start::default() }).await
    }

    /// The same, and [`Envoy::succeed`] can take over from it.
    pub async fn start_replaceable(bootstrap: &Bootstrap) -> Result<Self> {
        Self::start_as(bootstrap, Start { epoch: Epoch::First, ..Start::default() }).await
    }

    /// A second process, by a hot restart: it takes over the listeners of this one, which keeps its connections.
    /// `bootstrap` has to name the port that this one got.
    pub async fn succeed(&self, bootstrap: &Bootstrap) -> Result<Self> {
        let base = std::fs::read_to_string(self.directory.path().join(BASE_ID))?;
        Self::start_as(bootstrap, Start { epoch: Epoch::Second(base), ..Start::default() }).await
    }

    async fn start_as(bootstrap: &Bootstrap, start: Start) -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let access_log = match start.is_loud {
            true => Stdio::inherit(),
            false => File::create(directory.path().join("access.log"))?.into(),
        };
        let config = directory.path().join("envoy.json");
        let bootstrap = bootstrap.clone().for_envoy(minor()?);
        std::fs::write(&config, serde_json::to_vec_pretty(&bootstrap.0)?)?;
        let admin_file = directory.path().join("admin");
        // setpriv, so that not even a killed test leaves an Envoy behind.
        let mut command = Command::new("setpriv");
        command
            .args(["--pdeathsig", "KILL"])
            .arg(binary()?)
            .args(["--log-level", "info"])
            .args(["--concurrency", &start.workers.to_string()])
            .args(["--file-flush-interval-msec", "50"])
            .args(["--drain-time-s", &start.drain_time.as_secs().to_string()])
            .args(["--parent-shutdown-time-s", &(start.drain_time.as_secs() + 1).to_string()])
            .arg("--config-path")
            .arg(&config)
            .arg("--admin-address-path")
            .arg(&admin_file);
        match start.epoch {
            Epoch::Only => command.arg("--disable-hot-restart"),
            Epoch::First => command
                .args(["--use-dynamic-base-id", "--base-id-path"])
                .arg(directory.path().join(BASE_ID)),
            Epoch::Second(base) => command.args(["--restart-epoch", "1", "--base-id", base.trim()]),
        };
        if std::env::var_os(sealed::KEYS_ENV).is_none() {
            command.env(sealed::KEYS_ENV, sealed::keys());
        }
        for (name, value) in start.variables {
            command.env(name, value);
        }
        let process = command
            .stdout(access_log)
            .stderr(File::create(directory.path().join("envoy.log"))?)
            .spawn()
            .context("setpriv, of Debian's package util-linux, cannot be run")?;
        let nowhere = SocketAddr::from(([0, 0, 0, 0], 0));
        let mut envoy = Self { address: nowhere, admin: nowhere, directory, process };
        let mut ended = None;
        let ready = until("Envoy to be ready", || {
            ended = envoy.process.try_wait().ok().flatten();
            let is_over = ended.is_some();
            let ready = is_ready(&admin_file);
            async move { if is_over { Some(None) } else { ready.await.map(Some) } }
        });
        let Some((admin, address)) = ready.await else {
            bail!("Envoy did not start:\n{}", wrong(&envoy.log()));
        };
        (envoy.admin, envoy.address) = (admin, address);
        Ok(envoy)
    }

    /// The URL of a path behind the listener.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// All counters and gauges whose name contains `part`.
    pub async fn stats(&self, part: &str) -> Result<HashMap<String, u64>> {
        let url = format!("http://{}/stats?format=json&filter={part}", self.admin);
        let stats: Value = reqwest::get(url).await?.json().await?;
        let stats = stats["stats"].as_array().cloned().unwrap_or_default();
        Ok(stats
            .into_iter()
            .filter_map(|stat| Some((stat["name"].as_str()?.to_owned(), stat["value"].as_u64()?)))
            .collect())
    }

    /// The page that Prometheus reads.
    pub async fn prometheus(&self) -> Result<String> {
        let url = format!("http://{}/stats/prometheus", self.admin);
        Ok(reqwest::get(url).await?.text().await?)
    }

    /// One of the filter's counters, by its name without `podpin_` and `_total`.
    pub async fn counter(&self, name: &str) -> u64 {
        self.counter_of(SCOPE, name).await
    }

    /// The same of any scope.
    pub async fn counter_of(&self, scope: &str, name: &str) -> u64 {
        let name = format!("podpin_{name}_total");
        let stats = self.stats(&name).await.expect("Envoy's stats");
        let scoped = stats.get(&format!("wasmcustom.scope=.={scope};.;{name}"));
        let native = stats.get(&format!("dynamicmodulescustom.{name}.scope.{scope}"));
        // Version 0.1.0 had no scopes.
        let counter = scoped.or(native).or_else(|| stats.get(&format!("wasmcustom.{name}")));
        counter.copied().unwrap_or(0)
    }

    /// Waits for one of the filter's counters.
    pub async fn counted(&self, name: &str, wanted: u64) {
        until(&format!("{wanted} of {name}"), || async {
            (self.counter(name).await == wanted).then_some(())
        })
        .await;
    }

    /// How many connections it has open to a pod.
    pub async fn connections_to(&self, pod: SocketAddr) -> u64 {
        let clusters = self.clusters().await;
        let name = format!("::{pod}::cx_active::");
        let counts =
            clusters.lines().filter_map(|line| line.split_once(&name)?.1.parse::<u64>().ok());
        counts.sum()
    }

    async fn clusters(&self) -> String {
        let url = format!("http://{}/clusters", self.admin);
        let clusters = reqwest::get(url).await.expect("the admin page").text().await;
        clusters.expect("the admin page")
    }

    /// What Envoy logged so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    /// Where it logs.
    pub fn log_file(&self) -> PathBuf {
        self.directory.path().join("envoy.log")
    }

    /// The lines of the access log so far. Envoy may be writing one more.
    pub fn access_log(&self) -> String {
        let file = self.directory.path().join("access.log");
        let mut log = std::fs::read_to_string(file).unwrap_or_default();
        log.truncate(log.rfind('\n').map_or(0, |end| end + 1));
        log
    }

    /// The memory that it holds, in KB.
    pub fn resident_kb(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id()));
        let status = status.expect("Envoy runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
        line.trim().trim_end_matches(" kB").parse().expect("a number of KB")
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }
}

impl Drop for Envoy {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The lines of a log that say what is wrong, or all of it.
fn wrong(log: &str) -> String {
    let is_wrong = |line: &&str| ["][error]", "][critical]"].iter().any(|mark| line.contains(mark));
    let lines: Vec<_> = log.lines().filter(is_wrong).collect();
    if lines.is_empty() { log.to_owned() } else { lines.join("\n") }
}

/// Lets Envoy judge a configuration without serving it.
pub fn validate(bootstrap: &Bootstrap) -> Result<Output> {
    let directory = tempfile::tempdir()?;
    let config = directory.path().join("envoy.json");
    let bootstrap = bootstrap.clone().for_envoy(minor()?);
    std::fs::write(&config, serde_json::to_vec_pretty(&bootstrap.0)?)?;
    Ok(Command::new(binary()?)
        .args(["--mode", "validate", "--disable-hot-restart", "--config-path"])
        .arg(config)
        .env(sealed::KEYS_ENV, sealed::keys())
        .output()?)
}

/// The Envoy to use: `$ENVOY`, else one on the PATH, else the one that `make` installs.
fn binary() -> Result<PathBuf> {
    if let Some(named) = std::env::var_os("ENVOY") {
        return Ok(named.into());
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut places: Vec<_> = std::env::split_paths(&path).map(|dir| dir.join("envoy")).collect();
    places.push(root().join(".tools/envoy/bin/envoy"));
    let found = places.into_iter().find(|place| place.is_file());
    found.context("no Envoy: set ENVOY, put envoy on the PATH, or run `make envoy`")
}

/// The version of that Envoy, such as 1.40.0.
pub fn version() -> Result<String> {
    let output = Command::new(binary()?).arg("--version").output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let version = text.split('/').find(|part| part.starts_with("1."));
    Ok(version.with_context(|| format!("no version of Envoy in {text:?}"))?.to_owned())
}

/// The minor of that Envoy, such as 40 of 1.40.0.
pub fn minor() -> Result<u32> {
    static MINOR: OnceLock<u32> = OnceLock::new();
    if let Some(minor) = MINOR.get() {
        return Ok(*minor);
    }
    let version = version()?;
    let minor = version.split('.').nth(1).and_then(|minor| minor.parse().ok());
    let minor = minor.with_context(|| format!("no minor in {version:?}"))?;
    Ok(*MINOR.get_or_init(|| minor))
}

async fn is_ready(admin_file: &Path) -> Option<(SocketAddr, SocketAddr)> {
    let admin: SocketAddr = std::fs::read_to_string(admin_file).ok()?.trim().parse().ok()?;
    let ready = reqwest::get(format!("http://{admin}/ready")).await.ok()?;
    if !ready.status().is_success() {
        return None;
    }
    let url = format!("http://{admin}/listeners?format=json");
    let listeners: Value = reqwest::get(url).await.ok()?.json().await.ok()?;
    let listener = listeners["listener_statuses"]
        .as_array()?
        .iter()
        .find(|listener| listener["name"] == "mcp")?;
    let socket = &listener["local_address"]["socket_address"];
    let ip = socket["address"].as_str()?.parse().ok()?;
    Some((admin, SocketAddr::new(ip, socket["port_value"].as_u64()?.try_into().ok()?)))
}
