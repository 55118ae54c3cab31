//! Servers and clients of MCP's other SDKs, with Envoy and Podpin in between.

mod by_hand;
mod clients;
mod conformance;
mod hashed;
mod killed;
mod matrix;
mod modern;
mod page;
mod restarts;
mod script;
mod sse;
mod tasks;
mod unavailable;

use std::net::Ipv4Addr;
use std::sync::atomic::AtomicUsize;

use anyhow::Result;
use kit::bootstrap::Bootstrap;
use kit::dns::{Dns, any_port, pod_ip};
use kit::envoy::Envoy;
use kit::interop::{Program, Server, Transport};
use kit::mode::Mode;
use kit::pods::free_port;
use kit::setup::{example_on, patient};
use kit::wait::until;
use serde_json::{Value, json};

/// Three pods, each a process, behind an Envoy.
struct Cluster {
    envoy: Envoy,
    dns: Dns,
    server: Server,
    transport: Transport,
    port: u16,
    pods: Vec<Option<Program>>,
    ips: [Ipv4Addr; 3],
    /// How many requests were sent, each of which has a line in the access log.
    sent: AtomicUsize,
}

/// An order to a client to call a tool that this server has.
fn call_of(server: Server) -> Value {
    match server {
        Server::Everything => json!({"op": "call", "name": "echo", "arguments": {"message": "a"}}),
        Server::FastMcp => json!({"op": "call", "name": "pid", "arguments": {}}),
        _ => json!({"op": "call", "name": "bump", "arguments": {"key": "a"}}),
    }
}

impl Cluster {
    async fn start(
        mode: Mode,
        server: Server,
        transport: Transport,
        change: impl FnOnce(Bootstrap) -> Bootstrap,
    ) -> Result<Self> {
        let ips = [0, 1, 2].map(pod_ip);
        let port = free_port(6)?;
        let pods = ips.map(|ip| Program::serve(server, transport, ip.into(), port));
        let pods = pods.into_iter().map(|pod| pod.map(Some)).collect::<Result<_>>()?;
        let dns = Dns::start(any_port(), &ips).await?;
        let example = example_on(mode.example(), port, &dns)?;
        let example = if example.has_tls() { example.without_tls() } else { example };
        let envoy = Envoy::start(&change(example.plugin(patient))).await?;
        Ok(Self { envoy, dns, server, transport, port, pods, ips, sent: AtomicUsize::new(0) })
    }

    /// Ends a pod as the kernel would.
    fn kill(&mut self, ordinal: usize) {
        if let Some(mut pod) = self.pods[ordinal].take() {
            pod.kill();
        }
    }

    /// The same, and waits until these Envoys have noticed: else one may still send a request on a connection that
    /// is no more.
    async fn kill_noticed(&mut self, ordinal: usize, envoys: &[&Envoy]) {
        self.kill(ordinal);
        let gone = (self.ips[ordinal], self.port).into();
        for envoy in envoys.iter().copied().chain([&self.envoy]) {
            let notices = || async { (envoy.connections_to(gone).await == 0).then_some(()) };
            until("Envoy to notice", notices).await;
        }
    }

    /// Starts it once more, on this address.
    async fn start_again(&mut self, ordinal: usize, ip: Ipv4Addr) {
        let pod = Program::serve(self.server, self.transport, ip.into(), self.port);
        self.pods[ordinal] = Some(pod.expect("the pod comes back"));
        self.ips[ordinal] = ip;
        self.dns.set(&self.ips.map(Some), &[0, 1, 2]).await.expect("names");
    }
}
