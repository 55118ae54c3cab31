//! The set-up of the demonstration, left running to be tried by hand.

use anyhow::Result;
use kit::pods::App;
use kit::setup::Setup;
use tokio::signal::unix::{SignalKind, signal};

/// Runs until Ctrl-C.
pub(crate) async fn run() -> Result<()> {
    let setup = match Setup::start_as_written("envoy.yaml").await {
        Ok(setup) => setup,
        Err(error) => {
            println!("The usual ports cannot be had ({error:#}), so these are others.\n");
            Setup::start("envoy.yaml", App::Stateful, |example| example).await?
        }
    };
    println!("{}", what_to_try(&setup));
    let mut terminated = signal(SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted?,
        _ = terminated.recv() => {}
    }
    println!();
    Ok(())
}

fn what_to_try(setup: &Setup) -> String {
    let (url, admin) = (setup.envoy.url("/mcp"), setup.envoy.admin);
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
