//! One of the examples, left running to be tried by hand.

use std::net::Ipv4Addr;

use anyhow::Result;
use kit::bootstrap::{self, Bootstrap};
use kit::dns::{Dns, any_port, pod_ip};
use kit::envoy::Envoy;
use kit::pods::{App, Pods};
use kit::redis::{Redis, Webdis};
use tokio::signal::unix::{SignalKind, signal};

/// Everything that an example needs around it.
struct Running {
    envoy: Envoy,
    _pods: Pods,
    _dns: Dns,
    _redis: Option<(Webdis, Redis)>,
}

/// Runs until Ctrl-C.
pub(crate) async fn run(example: &str) -> Result<()> {
    let bootstrap = Bootstrap::example(example)?;
    let running = match start(bootstrap.clone(), true).await {
        Ok(running) => running,
        Err(error) => {
            println!("The ports of {example} cannot be had ({error:#}), so these are others.\n");
            start(bootstrap, false).await?
        }
    };
    println!("{}", what_to_try(&running.envoy));
    let mut terminated = signal(SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted?,
        _ = terminated.recv() => {}
    }
    println!();
    Ok(())
}

/// Starts an example on the ports that it is written with, or on free ones.
async fn start(example: Bootstrap, as_written: bool) -> Result<Running> {
    let port = |written: u16| as_written.then_some(written);
    let pods = Pods::start(3, port(bootstrap::POD), App::Stateful)?;
    let ips: Vec<_> = (0..3).map(pod_ip).collect();
    let dns_address = match port(bootstrap::DNS) {
        Some(port) => (Ipv4Addr::LOCALHOST, port).into(),
        None => any_port(),
    };
    let dns = Dns::start(dns_address, &ips).await?;
    let redis = match example.has_cluster("webdis") {
        true => {
            let redis = Redis::start().await?;
            Some((Webdis::start(&redis, port(bootstrap::WEBDIS)).await?, redis))
        }
        false => None,
    };
    let mut example =
        example.port(bootstrap::DNS, dns.address.port()).port(bootstrap::POD, pods.port);
    if let Some((webdis, _)) = &redis {
        example = example.port(bootstrap::WEBDIS, webdis.address.port());
    }
    if !as_written {
        example = example.port(bootstrap::LISTENER, 0).port(bootstrap::ADMIN, 0);
    }
    let envoy = Envoy::start_loud(&example).await?;
    Ok(Running { envoy, _pods: pods, _dns: dns, _redis: redis })
}

fn what_to_try(envoy: &Envoy) -> String {
    let (url, admin) = (envoy.url("/mcp"), envoy.admin);
    let headers = "-H 'content-type: application/json' \
                   -H 'accept: application/json, text/event-stream'";
    format!(
        r#"An MCP client connects to   {url}
Envoy's admin page is       http://{admin}
Podpin's counters           curl -s 'http://{admin}/stats?filter=podpin'

Open a session, then ask it where it lives as often as you like:

  S=$(curl -s {url} {headers} -D - -o /dev/null -d '{INITIALIZE}' | tr -d '\r' | sed -n 's/^mcp-session-id: //p')
  curl -s {url} {headers} -H "mcp-session-id: $S" -d '{INITIALIZED}'
  curl -s {url} {headers} -H "mcp-session-id: $S" -d '{WHOAMI}'

Envoy's access log follows. Ctrl-C ends everything.
"#
    )
}

const INITIALIZE: &str = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"curl","version":"1"}}}"#;
const INITIALIZED: &str = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
const WHOAMI: &str =
    r#"{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"whoami","arguments":{}}}"#;
