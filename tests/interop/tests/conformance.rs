//! MCP's own conformance tests of the era without sessions.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use kit::interop::{Program, Server, Transport};
use kit::mode::Mode;
use kit::root;
use serde_json::{Value, json};

use crate::Cluster;
use crate::modern::with;

/// What the checks of each scenario have found, in order.
type Found = BTreeMap<String, Vec<Check>>;

#[derive(Debug, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct Check {
    id: String,
    status: String,
    /// Only to be read by people.
    #[expect(dead_code, reason = "what a test prints")]
    error_message: Option<String>,
    #[expect(dead_code, reason = "what a test prints")]
    details: Option<Value>,
}

/// Runs scenarios of the era against a server.
fn run(url: &str, which: &[&str]) -> Result<Found> {
    let tools = root().join(".tools/interop");
    let to = tempfile::tempdir()?;
    let package = "conformance/node_modules/@modelcontextprotocol/conformance/dist/index.js";
    let mut command = Command::new(tools.join("node"));
    command.arg(tools.join(package)).args(["server", "--url", url]).args(which);
    command.args(["--spec-version", "2026-07-28", "--output-dir"]).arg(to.path());
    // It fails if a check does, which is for the comparison to judge.
    let output =
        command.output().context("no conformance tests: run `tests/prerequisites interop`")?;
    let mut found = Found::new();
    for directory in std::fs::read_dir(to.path())? {
        let directory = directory?.path();
        let checks = std::fs::read(directory.join("checks.json"))?;
        found.insert(scenario_of(&directory)?, serde_json::from_slice(&checks)?);
    }
    ensure!(!found.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(found)
}

/// Directories are called `server-<scenario>-<time>`.
fn scenario_of(directory: &Path) -> Result<String> {
    let name = directory.file_name().context("no name")?.to_string_lossy().into_owned();
    let (scenario, _) = name.split_once("-2026").or(name.split_once("-20")).context("no time")?;
    Ok(scenario.to_owned())
}

fn passed(found: &Found) -> usize {
    found.values().flatten().filter(|check| check.status == "SUCCESS").count()
}

/// Fails unless all has been found that was found alone, but for checks that `may_differ`.
fn compare(through: &Found, alone: &Found, may_differ: impl Fn(&str) -> bool) {
    for (scenario, found) in through {
        let alone = &alone[scenario];
        assert_eq!(found.len(), alone.len(), "{scenario}");
        for (found, alone) in found.iter().zip(alone) {
            let is_same = (&found.id, &found.status) == (&alone.id, &alone.status);
            assert!(is_same || may_differ(&found.id), "{scenario}: {found:?}");
        }
    }
}

async fn start(modern: Value) -> Result<Cluster> {
    let (server, transport) = (Server::Conformance, Transport::StreamableHttp);
    Cluster::start(Mode::DynamicHost, server, transport, with(modern)).await
}

/// The server is the one that MCP's Go SDK has for these tests. By a key it is as if there were one. Without a rule
/// events get lost, which each process of it tells only those who are connected to itself.
#[tokio::test(flavor = "multi_thread")]
async fn three_pods_are_found_as_good_as_one() -> Result<()> {
    // Some checks are only for servers at this address.
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
    let (transport, here) = (Transport::StreamableHttp, Ipv4Addr::LOCALHOST.into());
    let server = Program::serve(Server::Conformance, transport, here, port)?;
    let alone = run(&format!("http://127.0.0.1:{port}/mcp"), &["--suite", "all"])?;
    drop(server);

    let passing = start(json!({})).await?;
    for scenario in
        ["http-header-validation", "http-custom-header-server-validation", "server-stateless"]
    {
        let through = run(&passing.envoy.url("/mcp"), &["--scenario", scenario])?;
        assert_eq!(through.len(), 1, "{scenario}");
        compare(&through, &alone, |check| check.ends_with("-changed-on-subscription"));
    }
    assert_eq!(passing.envoy.counter("keyed").await, 0);

    // What all its requests have in common.
    let by_client = json!({"key": {"header": "x-forwarded-proto"}, "remember": true});
    let keyed =
        start(json!({"affinity": [{"task": {"id_header": "mcp-name"}}, by_client]})).await?;
    let through = run(&keyed.envoy.url("/mcp"), &["--suite", "all"])?;
    assert!(through.keys().eq(alone.keys()));
    compare(&through, &alone, |_| false);
    let counts = (passed(&through), through.len());
    println!("{counts:?} checks passed, of so many scenarios");
    assert!(counts.0 > 140 && counts.1 >= 40, "{counts:?}");
    let (by_key, without) =
        (keyed.envoy.counter("keyed").await, keyed.envoy.counter("sessionless").await);
    assert!(by_key > 50 && without == 0, "{by_key} requests by key, {without} without");
    Ok(())
}
