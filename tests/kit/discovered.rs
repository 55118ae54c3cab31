//! Pods behind an Envoy that learns of its endpoints by EDS, from a file.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use anyhow::Result;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::bootstrap::{Bootstrap, publish};
use crate::client::{Ask, Got};
use crate::dns::{Dns, any_port, pod_ip};
use crate::envoy::Envoy;
use crate::gateway::{golden_for, native_for};
use crate::mode::Mode;
use crate::pods::{App, Pods};
use crate::setup::{on_free_ports, tls_of};
use crate::wait::until;

/// The cluster whose endpoints are published.
pub const CLUSTER: &str = "myserver";

/// What Envoy is told of an endpoint.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Health {
    Healthy,
    Unhealthy,
    Draining,
}

/// Pods, and an Envoy that knows those of them that are published.
pub struct Discovered {
    pub envoy: Envoy,
    pub pods: Pods,
    directory: TempDir,
    _dns: Dns,
}

impl Discovered {
    /// So many pods, of which these are published first, and an Envoy with the example of the mode as
    /// `change` makes it.
    pub async fn start(
        mode: Mode,
        app: App,
        pods: usize,
        published: &[usize],
        change: impl FnOnce(Bootstrap) -> Bootstrap,
    ) -> Result<Self> {
        let pods = Pods::start_with(pods, None, app, tls_of(mode.example())?)?;
        let dns = Dns::start(any_port(), &[]).await?;
        let example = on_free_ports(mode.example(), &pods, &dns)?;
        Self::with(example, pods, dns, published, change).await
    }

    /// The same with what Envoy Gateway makes of its manifests.
    pub async fn in_gateway(
        app: App,
        pods: usize,
        published: &[usize],
        change: impl FnOnce(Bootstrap) -> Bootstrap,
    ) -> Result<Self> {
        let pods = Pods::start(pods, None, app)?;
        let dns = Dns::start(any_port(), &[]).await?;
        let example = golden_for(&pods)?;
        Self::with(example, pods, dns, published, change).await
    }

    /// The same with the dynamic module, and pods on all of which sessions may live from the start.
    pub async fn in_gateway_natively(app: App, count: usize) -> Result<Self> {
        let pods = Pods::start(count, None, app)?;
        let dns = Dns::start(any_port(), &[]).await?;
        let (example, published) = (native_for(&pods)?, Vec::from_iter(0..count));
        Self::with(example, pods, dns, &published, |native| native).await
    }

    async fn with(
        mut bootstrap: Bootstrap,
        pods: Pods,
        dns: Dns,
        published: &[usize],
        change: impl FnOnce(Bootstrap) -> Bootstrap,
    ) -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let file = directory.path().join("endpoints.json");
        let published = published.iter().map(|ordinal| (*ordinal, Health::Healthy));
        publish(&[assignment(pods.port, published)], &file);
        bootstrap.0["node"] = json!({"id": "test", "cluster": "test"});
        let mut cluster = bootstrap.take_cluster(CLUSTER);
        let fields = cluster.as_object_mut().expect("a cluster");
        fields.retain(|name, _| !name.contains("dns") && name != "load_assignment");
        cluster["type"] = json!("EDS");
        cluster["eds_cluster_config"] =
            json!({"eds_config": {"path_config_source": {"path": file}}});
        bootstrap.add_cluster(cluster);
        let envoy = Envoy::start(&change(bootstrap)).await?;
        Ok(Self { envoy, pods, directory, _dns: dns })
    }

    /// Makes these the endpoints, and waits until Envoy has heard of it.
    pub async fn publish(&self, endpoints: &[(usize, Health)]) {
        let name = format!("cluster.{CLUSTER}.update_success");
        let updates = || async { self.envoy.stats(&name).await.expect("Envoy's stats")[&name] };
        let before = updates().await;
        publish(&[assignment(self.pods.port, endpoints.iter().copied())], &self.file());
        until("the endpoints", || async { (updates().await > before).then_some(()) }).await;
    }

    /// Ends a pod, and waits until Envoy has noticed: else it may still send a request on a connection
    /// that is no more.
    pub async fn stop(&mut self, ordinal: usize) {
        self.pods.stop(ordinal).await;
        let address = self.address(ordinal);
        until("Envoy to notice", || async {
            (self.envoy.connections_to(address).await == 0).then_some(())
        })
        .await;
    }

    /// The address of a pod.
    fn address(&self, ordinal: usize) -> SocketAddr {
        SocketAddr::from((IpAddr::from(pod_ip(ordinal)), self.pods.port))
    }

    /// Opens a session.
    pub async fn open(&self, http: &reqwest::Client) -> Result<Pinned> {
        open(http, &self.envoy.url("")).await
    }

    fn file(&self) -> PathBuf {
        self.directory.path().join("endpoints.json")
    }
}

/// A session, and the pod that holds it.
#[derive(Clone, Debug)]
pub struct Pinned {
    pub id: String,
    pub pod: String,
}

impl Pinned {
    /// Calls the tool that counts the calls of this session.
    pub async fn count(&self, http: &reqwest::Client, origin: &str) -> Result<Got> {
        let answer = got(Ask::tool("count").session(&self.id), http, origin).await?;
        hides_endpoints(&answer);
        Ok(answer)
    }
}

/// Opens a session and asks it where it lives.
pub async fn open(http: &reqwest::Client, origin: &str) -> Result<Pinned> {
    let opened = got(Ask::initialize(), http, origin).await?;
    anyhow::ensure!(opened.status == 200, "{opened:?}");
    hides_endpoints(&opened);
    let id = opened.header("mcp-session-id").expect("a session id").to_owned();
    let named = got(Ask::tool("whoami").session(&id), http, origin).await?;
    anyhow::ensure!(named.status == 200, "{named:?}");
    Ok(Pinned { id, pod: named.text() })
}

fn hides_endpoints(answer: &Got) {
    assert_eq!(answer.header("x-podpin-endpoint"), None, "clients need not know where pods are");
}

/// All of a response.
pub async fn got(ask: Ask, http: &reqwest::Client, origin: &str) -> Result<Got> {
    let response = ask.send(http, origin).await?;
    let (status, headers): (StatusCode, HeaderMap) =
        (response.status(), response.headers().clone());
    Ok(Got { status, headers, body: response.bytes().await?.to_vec(), pod: None })
}

fn assignment(port: u16, endpoints: impl Iterator<Item = (usize, Health)>) -> Value {
    let endpoint = |(ordinal, health): (usize, Health)| {
        let address = json!({"address": pod_ip(ordinal).to_string(), "port_value": port});
        let health = match health {
            Health::Healthy => "HEALTHY",
            Health::Unhealthy => "UNHEALTHY",
            Health::Draining => "DRAINING",
        };
        json!({"health_status": health, "endpoint": {"address": {"socket_address": address}}})
    };
    json!({
        "@type": "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment",
        "cluster_name": CLUSTER,
        "endpoints": [{"lb_endpoints": endpoints.map(endpoint).collect::<Vec<_>>()}],
    })
}
