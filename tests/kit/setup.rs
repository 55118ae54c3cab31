//! Pods, their DNS and an Envoy in front of them, and the driver of scenarios on these.

use std::net::Ipv4Addr;

use anyhow::Result;
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::bootstrap::{self, Bootstrap};
use crate::client::{Ask, Got};
use crate::dns::{Dns, any_port, pod_ip};
use crate::driver::{Driver, Scene};
use crate::envoy::Envoy;
use crate::pods::{App, Pods};
use crate::wait::until;

/// Three pods behind an Envoy.
pub struct Setup {
    pub envoy: Envoy,
    pub dns: Dns,
    pub pods: Pods,
}

impl Setup {
    /// Everything on free ports, with an example as it is or as `change` makes it.
    pub async fn start(
        example: &str,
        app: App,
        change: impl FnOnce(Bootstrap) -> Bootstrap,
    ) -> Result<Self> {
        let pods = Pods::start(3, None, app).await?;
        let ips: Vec<_> = (0..3).map(pod_ip).collect();
        let dns = Dns::start(any_port(), &ips).await?;
        let envoy = Envoy::start(&change(on_free_ports(example, &pods, &dns)?)).await?;
        Ok(Self { envoy, dns, pods })
    }
}

impl Setup {
    /// Everything on the ports that the example is written with.
    pub async fn start_as_written(example: &str) -> Result<Self> {
        let pods = Pods::start(3, Some(bootstrap::POD), App::Stateful).await?;
        let ips: Vec<_> = (0..3).map(pod_ip).collect();
        let dns = Dns::start((Ipv4Addr::LOCALHOST, bootstrap::DNS).into(), &ips).await?;
        let envoy = Envoy::start_loud(&Bootstrap::example(example)?).await?;
        Ok(Self { envoy, dns, pods })
    }
}

/// An example that listens on free ports, and finds these pods by this DNS.
pub fn on_free_ports(example: &str, pods: &Pods, dns: &Dns) -> Result<Bootstrap> {
    Ok(Bootstrap::example(example)?
        .port(bootstrap::LISTENER, 0)
        .port(bootstrap::ADMIN, 0)
        .port(bootstrap::DNS, dns.address.port())
        .port(bootstrap::POD, pods.port))
}

/// A [`Driver`] of a real Envoy.
pub struct RealEnvoy {
    setup: Setup,
    http: reqwest::Client,
    requests: usize,
    runtime: Runtime,
}

impl RealEnvoy {
    /// Runs the example that steers as the scene wants.
    pub fn start(scene: Scene) -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let mut plugin = serde_json::json!({"workload": {}});
        (scene.configure)(&mut plugin);
        let example = match plugin["steer"].as_str() {
            Some("dynamic_host") => "dynamic-host.yaml",
            _ => "envoy.yaml",
        };
        let change =
            |bootstrap: Bootstrap| bootstrap.plugin(|value: &mut Value| (scene.configure)(value));
        let setup = runtime.block_on(Setup::start(example, scene.pods, change));
        let setup = setup.expect("the set-up starts");
        Self { setup, http: reqwest::Client::new(), requests: 0, runtime }
    }

    async fn exchange(&self, ask: Ask) -> Result<Got> {
        self.setup.pods.take_seen();
        let is_get = ask.method == http::Method::GET;
        let ask = ask.header("host", "mcp.example");
        let answer = ask.send(&self.http, &self.setup.envoy.url("")).await?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        let body = match is_get && status.is_success() {
            true => Vec::new(),
            false => answer.bytes().await?.to_vec(),
        };
        let pod = self.setup.pods.take_seen().pop();
        Ok(Got { status, headers, body, pod })
    }
}

impl Driver for RealEnvoy {
    fn send(&mut self, ask: Ask) -> Got {
        self.requests += 1;
        self.runtime.block_on(self.exchange(ask)).expect("an answer")
    }

    fn restart(&mut self, ordinal: usize) {
        self.runtime.block_on(self.setup.pods.restart(ordinal)).expect("the pod comes back");
    }

    fn counter(&mut self, name: &str) -> u64 {
        self.runtime.block_on(self.setup.envoy.counter(name))
    }

    fn noted(&mut self) -> (String, String) {
        let envoy = &self.setup.envoy;
        // Envoy writes a record when the exchange is over, and the file a little later.
        let line = self.runtime.block_on(until("the access log", || async {
            envoy.access_log().lines().nth(self.requests - 1).map(str::to_owned)
        }));
        let word = |key: &str| {
            let word = line.split_whitespace().find_map(|word| word.strip_prefix(key));
            word.unwrap_or_else(|| panic!("no {key} in {line:?}")).to_owned()
        };
        (word("decision="), word("pod="))
    }
}
