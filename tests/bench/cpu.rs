//! Processor time of Envoy for each request, as a ratio to the same Envoy without Podpin, measured
//! in turns within one run.
//!
//! Processor time is counted for Envoy's process alone, so what clients and pods need beside it on
//! the same machine does not matter much; ratios of one run hold where absolute figures drift.

use std::fs;

use anyhow::{Context, Result};
use http::Response;
use kit::bootstrap::Bootstrap;
use kit::client::Ask;
use kit::pods::App;
use kit::setup::Setup;
use kit::{DOMAIN, STATEFUL_SET};
use serde_json::json;
use tokio::task::JoinSet;

const ROUNDS: usize = 15;
const CONNECTIONS: usize = 8;
const REQUESTS: usize = 250;

pub(crate) async fn run() -> Result<()> {
    let example = |bootstrap: Bootstrap| bootstrap;
    let contenders = [
        Contender::start("Envoy alone", "envoy.yaml", Bootstrap::without_podpin).await?,
        Contender::start("Envoy's envelope", "envoy.yaml", with_envelope).await?,
        Contender::start("Envoy, routing by pod", "envoy.yaml", with_pod_routing).await?.by_pod(),
        Contender::start("Podpin, authority", "envoy.yaml", example).await?,
        Contender::start("Podpin, dynamic_host", "dynamic-host.yaml", example).await?,
        Contender::start("Podpin, another path", "envoy.yaml", example).await?.elsewhere(),
    ];
    for contender in &contenders {
        contender.round().await?;
    }
    let mut rounds: Vec<Vec<f64>> = Vec::new();
    for _ in 0..ROUNDS {
        let mut round = Vec::new();
        for contender in &contenders {
            round.push(contender.round().await?);
        }
        rounds.push(round);
    }
    println!("{ROUNDS} rounds of {} requests each\n", CONNECTIONS * REQUESTS);
    println!("{:24}{:>14}{:>10}{:>18}", "", "us a request", "ratio", "ratio, min-max");
    for (number, contender) in contenders.iter().enumerate() {
        let cost = spread(rounds.iter().map(|round| round[number]));
        let ratio = spread(rounds.iter().map(|round| round[number] / round[0]));
        println!(
            "{:24}{:>14.1}{:>10.3}{:>11.3}-{:.3}",
            contender.name, cost.1, ratio.1, ratio.0, ratio.2
        );
    }
    Ok(())
}

/// Least, median and greatest.
fn spread(values: impl Iterator<Item = f64>) -> (f64, f64, f64) {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    (values[0], values[values.len() / 2], values[values.len() - 1])
}

/// One way to send requests to pods.
struct Contender {
    name: &'static str,
    setup: Setup,
    ask: Ask,
}

impl Contender {
    async fn start(
        name: &'static str,
        example: &str,
        change: impl FnOnce(Bootstrap) -> Bootstrap,
    ) -> Result<Self> {
        let setup = Setup::start(example, App::Script(|_| response()), change).await?;
        let got = Ask::initialize().send(&reqwest::Client::new(), &setup.envoy.url("")).await?;
        let session = got.headers().get("mcp-session-id").context("no session")?;
        Ok(Self { name, setup, ask: Ask::tool("count").session(session) })
    }

    /// Its client names the pod.
    fn by_pod(mut self) -> Self {
        let host = format!("{STATEFUL_SET}-1.{DOMAIN}:{}", self.setup.pods.port);
        self.ask = self.ask.header("host", host);
        self
    }

    /// Its requests are none of Podpin's.
    fn elsewhere(mut self) -> Self {
        self.ask = self.ask.at("/elsewhere");
        self
    }

    /// Microseconds of Envoy's processor time for each request.
    async fn round(&self) -> Result<f64> {
        let before = processor_time(self.setup.envoy.pid())?;
        let mut lanes = JoinSet::new();
        for _ in 0..CONNECTIONS {
            let (ask, origin) = (self.ask.clone(), self.setup.envoy.url(""));
            lanes.spawn(async move {
                let http = reqwest::Client::new();
                for _ in 0..REQUESTS {
                    let got = ask.clone().send(&http, &origin).await?;
                    got.error_for_status()?.bytes().await?;
                }
                anyhow::Ok(())
            });
        }
        while let Some(lane) = lanes.join_next().await {
            lane??;
        }
        self.setup.pods.take_seen();
        let spent = processor_time(self.setup.envoy.pid())? - before;
        Ok(spent / 1000.0 / (CONNECTIONS * REQUESTS) as f64)
    }
}

fn response() -> Response<String> {
    Response::builder()
        .header("content-type", "application/json")
        .header("mcp-session-id", "8d3cb1f6-6e40-4d3c-9f2b-0a7c6c1f3a55")
        .body(r#"{"jsonrpc":"2.0","id":0,"result":{}}"#.to_owned())
        .expect("a response")
}

/// Nanoseconds that the threads of a process have spent on a processor (Linux, schedstat).
fn processor_time(pid: u32) -> Result<f64> {
    let mut total = 0.0;
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        let stat = fs::read_to_string(task?.path().join("schedstat"))?;
        total += stat.split_whitespace().next().context("schedstat")?.parse::<f64>()?;
    }
    Ok(total)
}

/// Envoy's own way: it wraps the session id in the address of the pod that gave it out.
fn with_envelope(bootstrap: Bootstrap) -> Bootstrap {
    let extension = "type.googleapis.com/envoy.extensions";
    let mut bootstrap = bootstrap.without_podpin();
    let filter = json!({
        "name": "envoy.filters.http.stateful_session",
        "typed_config": {
            "@type": format!("{extension}.filters.http.stateful_session.v3.StatefulSession"),
            "session_state": {
                "name": "envoy.http.stateful_session.envelope",
                "typed_config": {
                    "@type": format!("{extension}.http.stateful_session.envelope.v3.EnvelopeSessionState"),
                    "header": {"name": "mcp-session-id"},
                },
            },
        },
    });
    bootstrap.filters().insert(0, filter);
    bootstrap
}

/// What the example has besides the filter: a route by the pod's name, which the client sends.
fn with_pod_routing(bootstrap: Bootstrap) -> Bootstrap {
    let mut bootstrap = bootstrap.without_podpin();
    let hosts = &mut bootstrap.connection_manager()["route_config"]["virtual_hosts"];
    let steered = &mut hosts[0]["routes"][0]["match"];
    *steered = json!({"prefix": "/"});
    bootstrap
}
