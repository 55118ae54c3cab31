//! Servers of both eras, and clients that take the newer one if they can.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use kit::interop::{Newest, Program, Server, Transport};
use kit::mode::Mode;
use rmcp::model::{CallToolRequestParams, ProtocolVersion};
use rmcp::service::RunningService;
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use rmcp::{ClientLifecycleMode, ClientServiceExt, RoleClient};
use serde_json::{Value, json};

use crate::Cluster;

/// A client of both eras.
enum Client {
    Program(Box<Program>),
    Rmcp(RunningService<RoleClient, ()>),
}

impl Client {
    /// One of each SDK.
    async fn of_each(url: &str) -> Result<Vec<(&'static str, Self)>> {
        let mut clients = Vec::new();
        for (name, newest) in [("python", Newest::Python2), ("typescript", Newest::TypeScript2)] {
            let mut program = Program::newest(newest)?;
            let connected = program.order(&json!({"op": "connect", "url": url}))?;
            ensure!(connected["ok"] == true, "{name}: {connected}");
            clients.push((name, Self::Program(Box::new(program))));
        }
        let config = StreamableHttpClientTransportConfig::with_uri(url);
        let transport = StreamableHttpClientTransport::with_client(reqwest::Client::new(), config);
        let newest = ClientLifecycleMode::Auto {
            preferred_versions: vec![ProtocolVersion::LATEST],
            legacy_version: None,
        };
        clients.push(("rmcp", Self::Rmcp(().serve_with_lifecycle(transport, newest).await?)));
        Ok(clients)
    }

    /// The number that a tool answers.
    async fn number(&mut self, tool: &'static str, arguments: Value) -> Result<u64> {
        let result = match self {
            Self::Program(program) => {
                let order = json!({"op": "call", "name": tool, "arguments": arguments});
                let got = program.order(&order)?;
                ensure!(got["ok"] == true, "{got}");
                got["result"].clone()
            }
            Self::Rmcp(client) => {
                let arguments = arguments.as_object().cloned().unwrap_or_default();
                let request = CallToolRequestParams::new(tool).with_arguments(arguments);
                let result = client.call_tool(request).await?;
                ensure!(result.is_error != Some(true), "{result:?}");
                result.structured_content.context("no result")?["result"].clone()
            }
        };
        result.as_u64().with_context(|| result.to_string())
    }

    /// The processes that answer some calls.
    async fn processes(&mut self) -> Result<BTreeSet<u64>> {
        let mut processes = BTreeSet::new();
        for _ in 0..9 {
            processes.insert(self.number("pid", json!({})).await?);
        }
        Ok(processes)
    }
}

async fn start(era: &'static str) -> Cluster {
    let cluster =
        Cluster::start(Mode::Authority, Server::Python2, Transport::StreamableHttp, |example| {
            example.plugin(|plugin| plugin["modern"]["era"] = era.into())
        });
    cluster.await.expect("the set-up starts")
}

/// The server keeps what it counts by session, so without one it fails.
#[tokio::test(flavor = "multi_thread")]
async fn clients_of_both_eras_have_sessions_only_where_the_newer_is_refused() -> Result<()> {
    let passing = start("pass").await;
    for (name, mut client) in Client::of_each(&passing.envoy.url("/mcp")).await? {
        assert!(client.processes().await?.len() > 1, "{name}");
        assert!(client.number("bump", json!({"key": "a"})).await.is_err(), "{name}");
    }
    assert_eq!(passing.envoy.counter("bound").await, 0);
    assert!(passing.envoy.counter("sessionless").await >= 30);

    let refusing = start("refuse").await;
    for (name, mut client) in Client::of_each(&refusing.envoy.url("/mcp")).await? {
        assert_eq!(client.processes().await?.len(), 1, "{name}");
        for wanted in 1..=20 {
            assert_eq!(client.number("bump", json!({"key": "a"})).await?, wanted, "{name}");
        }
    }
    assert_eq!(refusing.envoy.counter("bound").await, 3);
    assert_eq!(refusing.envoy.counter("era_refused").await, 3);
    assert_eq!(refusing.envoy.counter("sessionless").await, 0);
    Ok(())
}
