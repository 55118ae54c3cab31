//! Pods, their DNS and an Envoy in front of them, and the driver of scenarios on these.

use std::any::Any;
use std::net::SocketAddr;

use anyhow::Result;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::STATEFUL_SET;
use crate::bootstrap::{self, Bootstrap};
use crate::client::{Ask, Got};
use crate::dns::{Dns, any_port, pod_ip};
use crate::driver::{Driver, Scene};
use crate::envoy::Envoy;
use crate::gateway::{golden_for, in_turn};
use crate::link::Link;
use crate::mini_redis::Front;
use crate::mode::Mode;
use crate::pods::{App, Pods, Seen};
use crate::redis::{Redis, Upstash, Webdis};
use crate::sealed::sealed;
use crate::tls::Tls;
use crate::wait::{until, within};

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
        Self::start_ready(example, app, &[0, 1, 2], change).await
    }

    /// The same with only these ordinals ready.
    pub async fn start_ready(
        example: &str,
        app: App,
        ready: &[usize],
        change: impl FnOnce(Bootstrap) -> Bootstrap,
    ) -> Result<Self> {
        let pods = Pods::start_with(3, None, app, tls_of(example)?)?;
        let ips: Vec<_> = (0..3).map(pod_ip).collect();
        let dns = Dns::start(any_port(), &ips).await?;
        dns.set(&ips.into_iter().map(Some).collect::<Vec<_>>(), ready).await?;
        let envoy = Envoy::start(&change(on_free_ports(example, &pods, &dns)?)).await?;
        Ok(Self { envoy, dns, pods })
    }
}

impl Setup {
    /// Starts a pod again, without anything it had in memory, once Envoy has noticed its end: else
    /// it may still send a request on a connection that is no more.
    pub async fn restart(&mut self, ordinal: usize) {
        restart(&mut self.pods, &self.envoy, ordinal).await;
    }
}

async fn restart(pods: &mut Pods, envoy: &Envoy, ordinal: usize) {
    stop(pods, envoy, ordinal).await;
    pods.start_again(ordinal).expect("the pod comes back");
}

async fn stop(pods: &mut Pods, envoy: &Envoy, ordinal: usize) {
    let address = SocketAddr::from((pod_ip(ordinal), pods.port));
    pods.stop(ordinal).await;
    until("Envoy to notice", || async { (envoy.connections_to(address).await == 0).then_some(()) })
        .await;
}

/// Three pods and a Redis, for any number of Envoys.
pub struct SharedSetup {
    pub pods: Pods,
    pub dns: Dns,
    pub redis: Redis,
    pub front: RedisFront,
    /// Between the Envoys and the front.
    pub link: Link,
}

/// The HTTP front of a Redis.
pub enum RedisFront {
    Webdis(Webdis),
    Upstash(Upstash),
}

impl SharedSetup {
    pub async fn start(front: Front, app: App) -> Result<Self> {
        Self::start_for("redis.yaml", front, app).await
    }

    /// The same with pods for another example.
    pub async fn start_for(example: &str, front: Front, app: App) -> Result<Self> {
        let pods = Pods::start_with(3, None, app, tls_of(example)?)?;
        let ips: Vec<_> = (0..3).map(pod_ip).collect();
        let dns = Dns::start(any_port(), &ips).await?;
        let redis = Redis::start().await?;
        let (front, address) = match front {
            Front::Webdis => {
                let webdis = Webdis::start(&redis, None).await?;
                let address = webdis.address;
                (RedisFront::Webdis(webdis), address)
            }
            Front::Upstash => {
                let upstash = Upstash::start(&redis).await?;
                let address = upstash.address;
                (RedisFront::Upstash(upstash), address)
            }
        };
        let link = Link::to(address).await?;
        Ok(Self { pods, dns, redis, front, link })
    }

    /// The example for a Redis, with this one.
    pub fn bootstrap(&self) -> Result<Bootstrap> {
        let example = on_free_ports("redis.yaml", &self.pods, &self.dns)?;
        // A busy machine, on which tests run beside each other, is no slow store.
        let example = example
            .port(bootstrap::WEBDIS, self.link.address.port())
            .plugin(|plugin| plugin["store"]["timeout"] = json!("1s"));
        Ok(match self.front {
            RedisFront::Webdis(_) => example,
            RedisFront::Upstash(_) => example.plugin(|plugin| {
                let cluster = plugin["store"]["cluster"].take();
                plugin["store"] = json!({
                    "kind": "redis", "cluster": cluster, "dialect": "upstash", "token": "secret",
                    "timeout": "1s",
                });
            }),
        })
    }

    /// Ends a pod, and waits until this Envoy has noticed: else it may still send a request on a
    /// connection that is no more.
    pub async fn stop(&mut self, envoy: &Envoy, ordinal: usize) {
        stop(&mut self.pods, envoy, ordinal).await;
    }

    /// One more Envoy.
    pub async fn envoy(&self) -> Result<Envoy> {
        Envoy::start(&self.bootstrap()?).await
    }
}

/// An example that listens on free ports, and finds these pods by this DNS.
pub fn on_free_ports(example: &str, pods: &Pods, dns: &Dns) -> Result<Bootstrap> {
    let example = example_on(example, pods.port, dns)?;
    Ok(match pods.tls() {
        Some(tls) => example.trusting(&tls.authority()),
        None => example,
    })
}

/// A busy machine, on which tests run beside each other, is no pod that does not answer.
pub fn patient(plugin: &mut serde_json::Value) {
    plugin["probe"]["timeout"] = json!("10s");
}

/// An example that listens on free ports, and finds pods on this one by this DNS.
pub fn example_on(example: &str, pods: u16, dns: &Dns) -> Result<Bootstrap> {
    Ok(Bootstrap::example(example)?
        .port(bootstrap::LISTENER, 0)
        .port(bootstrap::ADMIN, 0)
        .port(bootstrap::DNS, dns.address.port())
        .port(bootstrap::POD, pods))
}

/// What pods need for an example that speaks TLS to them.
pub fn tls_of(example: &str) -> Result<Option<Tls>> {
    Bootstrap::example(example)?.has_tls().then(Tls::new).transpose()
}

/// Which module an Envoy runs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Module {
    Wasm,
    Native,
}

impl Module {
    /// An example, which names the wasm module, with this one.
    pub fn put_in(self, example: Bootstrap) -> Bootstrap {
        match self {
            Self::Wasm => example,
            Self::Native => example.natively(),
        }
    }
}

/// A [`Driver`] of a real Envoy.
pub struct RealEnvoy {
    envoy: Envoy,
    pods: Pods,
    mode: Mode,
    http: reqwest::Client,
    requests: usize,
    heard: Option<reqwest::Response>,
    runtime: Runtime,
    _others: Box<dyn Any>,
}

impl RealEnvoy {
    /// Runs the example that steers as the scene wants.
    pub fn start(scene: Scene) -> Self {
        Self::start_with(scene, Module::Wasm, |_| {})
    }

    /// The same with the dynamic module.
    pub fn native(scene: Scene) -> Self {
        Self::start_with(scene, Module::Native, |_| {})
    }

    /// The same with pins that are sealed into ids.
    pub fn sealed(scene: Scene) -> Self {
        Self::start_with(scene, Module::Wasm, sealed)
    }

    /// The same with what Envoy Gateway makes of its manifests, in the place of the example.
    pub fn in_gateway(scene: Scene) -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let pods = Pods::start(3, None, scene.pods).expect("pods");
        let golden = golden_for(&pods).expect("a golden file");
        let golden = in_turn(golden).plugin(patient).plugin(scene.configure);
        let envoy = runtime.block_on(Envoy::start(&golden)).expect("the set-up starts");
        Self::with(scene.mode, envoy, pods, runtime, ())
    }

    /// The same with the dynamic module.
    pub fn native_sealed(scene: Scene) -> Self {
        Self::start_with(scene, Module::Native, sealed)
    }

    fn start_with(scene: Scene, module: Module, store: fn(&mut Value)) -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let change = |example: Bootstrap| {
            module.put_in(example.plugin(patient).plugin(store).plugin(scene.configure))
        };
        let setup = runtime.block_on(Setup::start(scene.mode.example(), scene.pods, change));
        let Setup { envoy, dns, pods } = setup.expect("the set-up starts");
        Self::with(scene.mode, envoy, pods, runtime, dns)
    }

    /// The same with pins in a Redis.
    pub fn with_redis(scene: Scene, front: Front) -> Self {
        Self::with_redis_by(scene, Module::Wasm, front)
    }

    /// The same with the dynamic module.
    pub fn native_with_redis(scene: Scene, front: Front) -> Self {
        Self::with_redis_by(scene, Module::Native, front)
    }

    fn with_redis_by(scene: Scene, module: Module, front: Front) -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let (setup, envoy) = runtime
            .block_on(async {
                let setup = SharedSetup::start_for(scene.mode.example(), front, scene.pods).await?;
                // The filter and the cluster of the Redis, in the example that steers as wanted.
                let redis = setup.bootstrap()?;
                let mut example = on_free_ports(scene.mode.example(), &setup.pods, &setup.dns)?;
                example.take_store(redis);
                let example = module.put_in(example.plugin(patient).plugin(scene.configure));
                let envoy = match module {
                    // A worker hears of what another one forgot from the Redis, a moment later.
                    Module::Wasm => Envoy::start_single(&example).await?,
                    Module::Native => Envoy::start(&example).await?,
                };
                anyhow::Ok((setup, envoy))
            })
            .expect("the set-up starts");
        let SharedSetup { pods, dns, redis, front, link } = setup;
        Self::with(scene.mode, envoy, pods, runtime, (dns, redis, front, link))
    }

    fn with(mode: Mode, envoy: Envoy, pods: Pods, runtime: Runtime, others: impl Any) -> Self {
        // A scenario sees every response.
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
        let http = http.build().expect("a client");
        Self {
            envoy,
            pods,
            mode,
            http,
            requests: 0,
            heard: None,
            runtime,
            _others: Box::new(others),
        }
    }

    async fn exchange(&self, ask: Ask) -> Result<Got> {
        self.pods.take_seen();
        let (method, is_get) = (ask.method.clone(), ask.method == http::Method::GET);
        let sent = ask.body.clone();
        let ask = ask.header("host", "mcp.example");
        let response = ask.send(&self.http, &self.envoy.url("")).await?;
        let (status, headers) = (response.status(), response.headers().clone());
        assert!(!headers.contains_key("x-podpin-endpoint"), "clients need not know where pods are");
        let body = match is_get && status.is_success() {
            true => Vec::new(),
            false => response.bytes().await?.to_vec(),
        };
        // Beside it a pod may see a request of the filter's own.
        let is_it = |(_, seen): &(usize, Seen)| seen.method == method && seen.body == sent;
        let pod = self.pods.take_seen().into_iter().rfind(is_it);
        let sees_endpoint = pod.iter().any(|(_, it)| it.headers.contains_key("x-podpin-endpoint"));
        assert!(!sees_endpoint || self.mode == Mode::OverrideHost, "pods need not see it");
        Ok(Got { status, headers, body, pod })
    }
}

impl Driver for RealEnvoy {
    fn send(&mut self, ask: Ask) -> Got {
        self.requests += 1;
        self.runtime.block_on(self.exchange(ask)).expect("a response")
    }

    fn restart(&mut self, ordinal: usize) {
        let Self { pods, envoy, runtime, .. } = self;
        runtime.block_on(restart(pods, envoy, ordinal));
    }

    fn stop(&mut self, ordinal: usize) {
        let Self { pods, envoy, runtime, .. } = self;
        runtime.block_on(stop(pods, envoy, ordinal));
    }

    fn listen(&mut self, ask: Ask) -> (Got, String) {
        self.requests += 1;
        self.pods.take_seen();
        let ask = ask.header("host", "mcp.example");
        let (http, url) = (self.http.clone(), self.envoy.url(""));
        let (response, text) = self.runtime.block_on(async {
            let mut response = ask.send(&http, &url).await.expect("a response");
            let mut text = Vec::new();
            while !text.ends_with(b"\n\n") && !text.ends_with(b"\r\n\r\n") {
                let piece = within("an event", response.chunk()).await.expect("a stream");
                text.extend(piece.expect("an event"));
            }
            (response, String::from_utf8(text).expect("text"))
        });
        let (status, headers) = (response.status(), response.headers().clone());
        let pod = self.pods.take_seen().pop();
        self.heard = Some(response);
        (Got { status, headers, body: Vec::new(), pod }, text)
    }

    fn hang_up(&mut self) {
        let heard = self.heard.take().expect("a stream is open");
        let _guard = self.runtime.enter();
        drop(heard);
    }

    fn counts_to(&mut self, name: &str, count: u64) {
        let envoy = &self.envoy;
        self.runtime.block_on(until("the counter", || async {
            (envoy.counter(name).await >= count).then_some(())
        }));
    }

    fn counter(&mut self, name: &str) -> u64 {
        self.runtime.block_on(self.envoy.counter(name))
    }

    fn noted(&mut self) -> (String, String) {
        let envoy = &self.envoy;
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

    fn place(&self, ordinal: usize) -> String {
        match self.mode.is_by_name() {
            true => format!("{STATEFUL_SET}-{ordinal}"),
            false => format!("{}:{}", pod_ip(ordinal), self.pods.port),
        }
    }
}
