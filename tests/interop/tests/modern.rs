//! Servers of both eras, and clients that take the newer one if they can.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use kit::bootstrap::Bootstrap;
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
pub(crate) enum Client {
    Program(Box<Program>),
    Rmcp(RunningService<RoleClient, ()>),
}

impl Client {
    pub(crate) const SDKS: [&str; 5] = ["python", "typescript", "fastmcp", "go", "rmcp"];

    /// That of one SDK.
    pub(crate) async fn of(sdk: &str, url: &str) -> Result<Self> {
        let newest = match sdk {
            "python" => Newest::Python2,
            "typescript" => Newest::TypeScript2,
            "fastmcp" => Newest::FastMcp,
            "go" => Newest::Go,
            _ => {
                let config = StreamableHttpClientTransportConfig::with_uri(url);
                let http = reqwest::Client::new();
                let transport = StreamableHttpClientTransport::with_client(http, config);
                let newest = ClientLifecycleMode::Auto {
                    preferred_versions: vec![ProtocolVersion::LATEST],
                    legacy_version: None,
                };
                return Ok(Self::Rmcp(().serve_with_lifecycle(transport, newest).await?));
            }
        };
        let mut program = Program::newest(newest)?;
        let connected = program.order(&json!({"op": "connect", "url": url}))?;
        ensure!(connected["ok"] == true, "{sdk}: {connected}");
        Ok(Self::Program(Box::new(program)))
    }

    /// One of each SDK.
    async fn of_each(url: &str) -> Result<Vec<(&'static str, Self)>> {
        let mut clients = Vec::new();
        for sdk in Self::SDKS {
            clients.push((sdk, Self::of(sdk, url).await?));
        }
        Ok(clients)
    }

    /// The number that a tool answers.
    pub(crate) async fn number(&mut self, tool: &'static str, arguments: Value) -> Result<u64> {
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

pub(crate) async fn start(server: Server, change: impl FnOnce(Bootstrap) -> Bootstrap) -> Cluster {
    let cluster = Cluster::start(Mode::Authority, server, Transport::StreamableHttp, change);
    cluster.await.expect("the set-up starts")
}

/// An example with this in the section about the era.
pub(crate) fn with(modern: Value) -> impl FnOnce(Bootstrap) -> Bootstrap {
    |example| example.plugin(|plugin| plugin["modern"] = modern)
}

/// The server keeps what it counts by session, so without one it fails.
#[tokio::test(flavor = "multi_thread")]
async fn clients_of_both_eras_have_sessions_only_where_the_newer_is_refused() -> Result<()> {
    let passing = start(Server::Python2, with(json!({"era": "pass"}))).await;
    for (name, mut client) in Client::of_each(&passing.envoy.url("/mcp")).await? {
        assert!(client.processes().await?.len() > 1, "{name}");
        assert!(client.number("bump", json!({"key": "a"})).await.is_err(), "{name}");
    }
    assert_eq!(passing.envoy.counter("bound").await, 0);
    assert!(passing.envoy.counter("sessionless").await >= 40);

    let refusing = start(Server::Python2, with(json!({"era": "refuse"}))).await;
    for (name, mut client) in Client::of_each(&refusing.envoy.url("/mcp")).await? {
        assert_eq!(client.processes().await?.len(), 1, "{name}");
        for wanted in 1..=20 {
            assert_eq!(client.number("bump", json!({"key": "a"})).await?, wanted, "{name}");
        }
    }
    assert_eq!(refusing.envoy.counter("bound").await, 5);
    assert_eq!(refusing.envoy.counter("era_refused").await, 5);
    assert_eq!(refusing.envoy.counter("sessionless").await, 0);
    Ok(())
}

/// Each server seals the state of a call by a key that it has made for itself.
#[tokio::test(flavor = "multi_thread")]
async fn calls_in_two_rounds_find_their_state_if_users_keep_to_a_pod() -> Result<()> {
    let by_user = json!({"affinity": [{"key": {"header": "x-user"}}]});
    for (modern, wanted) in [(json!({}), false), (by_user, true)] {
        let cluster = start(Server::Python2, with(modern)).await;
        let mut clients = Program::newest(Newest::Python2)?;
        let got = clients.order(&json!({
            "op": "settle", "url": cluster.envoy.url("/mcp"), "header": "x-user",
            "users": 60, "calls": 3,
        }))?;
        println!("180 calls in two rounds, by key {wanted}: {got}");
        assert_eq!(got["failed"] == 0, wanted, "{got}");
        if !wanted {
            let first = got["first"][0].as_str().unwrap_or_default();
            assert!(first.contains("requestState"), "{got}");
        }
    }
    Ok(())
}

/// The filters that the page shows for clients which leave out `Mcp-Name`.
fn filters_of_the_page() -> Value {
    let page = std::fs::read_to_string(kit::root().join("docs/modern.md")).expect("the page");
    let block = page.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next());
    serde_yaml_ng::from_str(block.expect("a block")).expect("YAML")
}

/// Puts these before Podpin in the chain of filters.
fn before_podpin(mut example: Bootstrap, filters: Value) -> Bootstrap {
    let chain = example.filters();
    let podpin = chain.iter().position(|filter| filter["name"] == "podpin").expect("the filter");
    chain.splice(podpin..podpin, filters.as_array().expect("filters").clone());
    example
}

/// FastMCP's client leaves `Mcp-Name` out, so the rule alone does not help it.
#[tokio::test(flavor = "multi_thread")]
async fn tasks_of_fastmcp_are_found_with_a_rule_and_envoys_own_filter() -> Result<()> {
    let rule = || with(json!({"affinity": [{"task": {"id_header": "x-mcp-task-id"}}]}));
    type Change = Box<dyn FnOnce(Bootstrap) -> Bootstrap>;
    let changes: [(&str, Change); 3] = [
        ("no rule", Box::new(with(json!({})))),
        ("the rule alone", Box::new(rule())),
        (
            "the rule behind Envoy's filters",
            Box::new(move |example| before_podpin(rule()(example), filters_of_the_page())),
        ),
    ];
    for (about, change) in changes {
        let cluster = start(Server::FastMcp, change).await;
        let mut client = Program::newest(Newest::FastMcp)?;
        let connect = json!({"op": "connect", "url": cluster.envoy.url("/mcp")});
        assert_eq!(client.order(&connect)?["ok"], true);
        let is_complete = about == "the rule behind Envoy's filters";
        let count = if is_complete { 100 } else { 30 };
        let got = client.order(&json!({"op": "work", "count": count, "at_once": count}))?;
        let unnamed = cluster.envoy.counter("task_unnamed").await;
        println!("{about}: {got}, {unnamed} requests named no task");
        let found = got["found"].as_u64().context("a number")?;
        if is_complete {
            assert_eq!((found, unnamed), (100, 0), "{got}");
            assert_eq!(cluster.envoy.counter("learned").await, 100);
        } else {
            assert!(found < 27, "{about}: {got}");
        }
        assert_eq!(unnamed > 0, about == "the rule alone", "{about}");
    }
    Ok(())
}
