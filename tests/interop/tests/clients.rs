//! The official clients, when their sessions are lost.

use anyhow::Result;
use kit::bootstrap::Bootstrap;
use kit::interop::{Client, Program, Server, Transport};
use kit::mode::Mode;
use kit::sealed::sealed_by_env;
use rmcp::model::CallToolRequestParams;
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use rmcp::{ClientLifecycleMode, ClientServiceExt};
use serde_json::json;

use crate::{Cluster, call_of};

async fn all_restarted(cluster: &mut Cluster) {
    for ordinal in 0..3 {
        cluster.kill(ordinal);
        cluster.start_again(ordinal, cluster.ips[ordinal]).await;
    }
}

/// Makes something else of an example.
type Change = fn(Bootstrap) -> Bootstrap;

async fn start(server: Server, change: Change) -> Cluster {
    let cluster = Cluster::start(Mode::Authority, server, Transport::StreamableHttp, change);
    cluster.await.expect("the set-up starts")
}

/// Each says so in the way of its SDK, by which its documentation has applications connect once more.
#[tokio::test(flavor = "multi_thread")]
async fn clients_are_told_of_a_lost_session_and_connect_once_more() -> Result<()> {
    tell_of_a_loss([Server::Python2, Server::Everything], |example| example).await
}

/// None of them notices that its id is not the server's.
#[tokio::test(flavor = "multi_thread")]
async fn clients_of_sealed_ids_are_served_and_told_alike() -> Result<()> {
    tell_of_a_loss([Server::Python1, Server::Python2, Server::Everything], sealed_by_env).await
}

async fn tell_of_a_loss<const N: usize>(servers: [Server; N], change: Change) -> Result<()> {
    for server in servers {
        let mut cluster = start(server, change).await;
        let (call, url) = (call_of(server), cluster.envoy.url("/mcp"));
        let connect = json!({"op": "connect", "url": url, "transport": "http"});
        let mut clients = Vec::new();
        for client in Client::ALL {
            let mut program = Program::client(client)?;
            assert_eq!(program.order(&connect)?, json!({"ok": true}), "{client:?}");
            for _ in 0..3 {
                let got = program.order(&call)?;
                assert_eq!(got["ok"], true, "{client:?} on {server:?}: {got}");
            }
            clients.push((client, program));
        }
        all_restarted(&mut cluster).await;
        for (client, mut program) in clients {
            let got = program.order(&call)?;
            let told = match client {
                Client::Python1 => ("code", json!(32600)),
                Client::Python2 => ("code", json!(-32001)),
                Client::TypeScript1 | Client::TypeScript2 => ("status", json!(404)),
            };
            assert_eq!((&got["ok"], &got[told.0]), (&json!(false), &told.1), "{client:?}: {got}");
            assert_eq!(program.order(&connect)?, json!({"ok": true}), "{client:?}");
            let got = program.order(&call)?;
            assert_eq!(got["ok"], true, "{client:?} on {server:?}: {got}");
        }
    }
    Ok(())
}

/// `rmcp` does so by itself, and nobody notices.
#[tokio::test(flavor = "multi_thread")]
async fn rmcp_opens_a_new_session_by_itself() -> Result<()> {
    for (server, change) in [
        (Server::Python2, (|example| example) as Change),
        (Server::Everything, |example| example),
        (Server::Python1, sealed_by_env),
        (Server::Everything, sealed_by_env),
    ] {
        let mut cluster = start(server, change).await;
        let config = StreamableHttpClientTransportConfig::with_uri(cluster.envoy.url("/mcp"));
        let transport = StreamableHttpClientTransport::with_client(reqwest::Client::new(), config);
        let client = ().serve_with_lifecycle(transport, ClientLifecycleMode::Initialize).await?;
        let call = call_of(server);
        let name = call["name"].as_str().unwrap_or_default().to_owned();
        let arguments = call["arguments"].as_object().cloned().unwrap_or_default();
        for _ in 0..3 {
            for _ in 0..3 {
                let request = CallToolRequestParams::new(name.clone());
                client.call_tool(request.with_arguments(arguments.clone())).await?;
            }
            all_restarted(&mut cluster).await;
        }
        client.cancel().await?;
    }
    Ok(())
}
