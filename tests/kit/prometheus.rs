//! A real Prometheus as a child process, and its tool for rules.

use std::collections::HashMap;
use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use anyhow::{Context, Result, bail, ensure};
use reqwest::Url;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::redis::child;
use crate::wait::until;

/// A Prometheus that reads the pages of Envoys every second.
pub struct Prometheus {
    pub address: SocketAddr,
    directory: TempDir,
    process: Child,
}

/// One series of an answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    pub labels: HashMap<String, String>,
    pub value: f64,
}

impl Prometheus {
    /// Starts one on a free port, which reads the pages of these and evaluates these rules.
    pub async fn start(targets: &[SocketAddr], rules: &Path) -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let config = json!({
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
            "rule_files": [rules],
            "scrape_configs": [{
                "job_name": "envoy",
                "metrics_path": "/stats/prometheus",
                "file_sd_configs": [{"files": [directory.path().join(TARGETS)]}],
            }],
        });
        // JSON is YAML.
        fs::write(directory.path().join("prometheus.yaml"), config.to_string())?;
        write_targets(directory.path(), targets)?;
        let log = directory.path().join("prometheus.log");
        let process = child("prometheus")
            .args(["--web.listen-address", "127.0.0.1:0", "--log.level", "info"])
            .arg("--config.file")
            .arg(directory.path().join("prometheus.yaml"))
            .arg("--storage.tsdb.path")
            .arg(directory.path().join("data"))
            .stdout(Stdio::null())
            .stderr(File::create(&log)?)
            .spawn()
            .context("prometheus is missing: apt-get install prometheus")?;
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut prometheus = Self { address: nowhere, directory, process };
        let mut is_over = false;
        let address = until("Prometheus to be ready", || {
            is_over |= matches!(prometheus.process.try_wait(), Ok(Some(_)));
            let (is_over, log) = (is_over, log.clone());
            async move { if is_over { Some(None) } else { ready(&log).await.map(Some) } }
        });
        let Some(address) = address.await else {
            bail!("Prometheus did not start:\n{}", fs::read_to_string(log).unwrap_or_default());
        };
        prometheus.address = address;
        Ok(prometheus)
    }

    /// Makes these the Envoys whose pages it reads.
    pub fn reads(&self, targets: &[SocketAddr]) -> Result<()> {
        write_targets(self.directory.path(), targets)
    }

    /// What comes of a query now, series that are no number left out.
    pub async fn query(&self, query: &str) -> Result<Vec<Sample>> {
        let answer = self.ask("query", &[("query", query)]).await?;
        let kind = &answer["resultType"];
        ensure!(*kind == "vector", "{query}: {kind} is no vector");
        let series = answer["result"].as_array().context("no series")?;
        let samples = series.iter().map(|series| {
            let value = series["value"][1].as_str().context("no value")?.parse()?;
            let labels = serde_json::from_value(series["metric"].clone())?;
            Ok(Sample { labels, value })
        });
        let samples: Vec<Sample> = samples.collect::<Result<_>>()?;
        Ok(samples.into_iter().filter(|sample| !sample.value.is_nan()).collect())
    }

    /// The annotations of the alerts of this name that are pending or fire.
    pub async fn alerted(&self, name: &str) -> Result<Vec<HashMap<String, String>>> {
        let mut answer = self.ask("alerts", &[]).await?;
        let alerts = answer["alerts"].as_array_mut().context("no alerts")?;
        let these = alerts.iter_mut().filter(|alert| alert["labels"]["alertname"] == name);
        these.map(|alert| Ok(serde_json::from_value(alert["annotations"].take())?)).collect()
    }

    /// The values that a label has on the series of `metric`.
    pub async fn label_values(&self, metric: &str, label: &str) -> Result<Vec<String>> {
        let answer = self.ask(&format!("label/{label}/values"), &[("match[]", metric)]).await?;
        Ok(serde_json::from_value(answer)?)
    }

    async fn ask(&self, what: &str, parameters: &[(&str, &str)]) -> Result<Value> {
        let url = format!("http://{}/api/v1/{what}", self.address);
        let answer: Value =
            reqwest::get(Url::parse_with_params(&url, parameters)?).await?.json().await?;
        ensure!(answer["status"] == "success", "{parameters:?}: {}", answer["error"]);
        Ok(answer["data"].clone())
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

const TARGETS: &str = "targets.json";

fn write_targets(directory: &Path, targets: &[SocketAddr]) -> Result<()> {
    let new = directory.join("targets.new");
    fs::write(&new, json!([{"targets": targets}]).to_string())?;
    // Prometheus watches the directory, and must not read half a file.
    Ok(fs::rename(new, directory.join(TARGETS))?)
}

/// Where it listens, which it logs, once it is ready.
async fn ready(log: &Path) -> Option<SocketAddr> {
    let log = fs::read_to_string(log).ok()?;
    let line = log.lines().find(|line| line.contains("Listening on"))?;
    let address = line.split_once("address=")?.1.split_whitespace().next()?.parse().ok()?;
    let ready = reqwest::get(format!("http://{address}/-/ready")).await.ok()?;
    ready.status().is_success().then_some(address)
}

/// Runs Prometheus' tool for rules.
pub fn promtool(command: &[&str], file: &Path) -> Result<Output> {
    let output = Command::new("promtool").args(command).arg(file).output();
    output.context("promtool is missing: apt-get install prometheus")
}
