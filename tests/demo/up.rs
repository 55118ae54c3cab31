//! One of the examples, left running to be tried by hand.

use std::net::{Ipv4Addr, TcpListener, UdpSocket};

use anyhow::Result;
use kit::bootstrap::{self, Bootstrap};
use kit::dns::{Dns, any_port, pod_ip};
use kit::envoy::Envoy;
use kit::jwt::{ISSUER, bearer};
use kit::pods::{App, Pods};
use kit::redis::{Redis, Webdis};
use kit::tls::Tls;
use serde_json::Value;
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
    let mut bootstrap = Bootstrap::example(example)?;
    let authn = |filter: &Value| filter["name"] == "envoy.filters.http.jwt_authn";
    let token = bootstrap.filters().iter().any(authn).then(|| bearer(ISSUER, "you", 1));
    let running = start(bootstrap).await?;
    println!("{}", what_to_try(&running.envoy, token.as_deref()));
    let mut terminated = signal(SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted?,
        _ = terminated.recv() => {}
    }
    println!();
    Ok(())
}

/// Starts an example on the ports that it is written with, or on free ones if others use those.
async fn start(example: Bootstrap) -> Result<Running> {
    let has_redis = example.has_cluster("webdis");
    // Whoever has the pods' port has the others, should another example be started just now.
    let tls = example.has_tls().then(Tls::new).transpose()?;
    let pods = Pods::start_with(3, Some(bootstrap::POD), App::Stateful, tls.clone());
    let as_written = pods.is_ok() && ports_are_free(has_redis);
    if !as_written {
        println!("Others use ports of this example, so these are different ones.\n");
    }
    let pods = pods.or_else(|_| Pods::start_with(3, None, App::Stateful, tls.clone()))?;
    let port = |written: u16| as_written.then_some(written);
    let ips: Vec<_> = (0..3).map(pod_ip).collect();
    let dns_address = match port(bootstrap::DNS) {
        Some(port) => (Ipv4Addr::LOCALHOST, port).into(),
        None => any_port(),
    };
    let dns = Dns::start(dns_address, &ips).await?;
    let redis = if has_redis {
        let redis = Redis::start().await?;
        Some((Webdis::start(&redis, port(bootstrap::WEBDIS)).await?, redis))
    } else {
        None
    };
    let mut example =
        example.port(bootstrap::DNS, dns.address.port()).port(bootstrap::POD, pods.port);
    if let Some(tls) = &tls {
        example = example.trusting(&tls.authority());
    }
    if let Some((webdis, _)) = &redis {
        example = example.port(bootstrap::WEBDIS, webdis.address.port());
    }
    if !as_written {
        example = example.port(bootstrap::LISTENER, 0).port(bootstrap::ADMIN, 0);
    }
    let envoy = Envoy::start_loud(&example).await?;
    Ok(Running { envoy, _pods: pods, _dns: dns, _redis: redis })
}

/// Whether nobody uses the other ports that an example is written with.
fn ports_are_free(has_redis: bool) -> bool {
    let free = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
    free(bootstrap::LISTENER)
        && free(bootstrap::ADMIN)
        && (!has_redis || free(bootstrap::WEBDIS))
        && UdpSocket::bind((Ipv4Addr::LOCALHOST, bootstrap::DNS)).is_ok()
}

fn what_to_try(envoy: &Envoy, token: Option<&str>) -> String {
    let (url, admin, log) = (envoy.url("/mcp"), envoy.admin, envoy.log_file());
    let log = log.display();
    let token = token.map(|token| format!(" -H 'authorization: {token}'")).unwrap_or_default();
    let headers = format!(
        "-H 'content-type: application/json' -H 'accept: application/json, text/event-stream'{token}"
    );
    format!(
        r#"An MCP client connects to   {url}
Envoy's admin page is       http://{admin}
Podpin's counters           curl -s 'http://{admin}/stats?filter=podpin'
Envoy's log                 tail -f {log}
Every decision in that log  curl -X POST 'http://{admin}/logging?wasm=debug'

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
