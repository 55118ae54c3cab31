//! Tasks that the Rust SDK's `TaskManager` keeps in memory, each on the pod that made it.

use anyhow::{Result, bail, ensure};
use kit::bootstrap::{Bootstrap, WEBDIS};
use kit::dns::pod_ip;
use kit::envoy::Envoy;
use kit::interop::{Server, Transport};
use kit::mode::Mode;
use kit::redis::{Redis, Webdis};
use kit::wait::until;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CancelTaskParams, ClientCapabilities, ClientConfig,
    ErrorCode, GetTaskParams, Implementation, ProtocolVersion, TaskPayload, TaskStatus,
    UpdateTaskParams,
};
use rmcp::service::{RunningService, ServiceError};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use rmcp::{ClientLifecycleMode, ClientServiceExt, RoleClient};
use serde_json::{Value, json};

use crate::Cluster;

/// So many polls at most until a task is as it should be.
const POLLS: usize = 10_000;

/// A client that takes tasks for answers.
pub(crate) struct Client(RunningService<RoleClient, ClientConfig>);

impl Client {
    pub(crate) async fn of(envoy: &Envoy) -> Result<Self> {
        let capabilities = ClientCapabilities::builder().enable_tasks().build();
        let config = ClientConfig::new(capabilities, Implementation::new("interop", "1"));
        let at = StreamableHttpClientTransportConfig::with_uri(envoy.url("/mcp"));
        let transport = StreamableHttpClientTransport::with_client(reqwest::Client::new(), at);
        let newest = ClientLifecycleMode::Auto {
            preferred_versions: vec![ProtocolVersion::LATEST],
            legacy_version: None,
        };
        Ok(Self(config.serve_with_lifecycle(transport, newest).await?))
    }

    /// Has a task made, which asks for a name. Its id.
    async fn make(&self) -> Result<String> {
        match self.0.call_tool_once(CallToolRequestParams::new("greet")).await? {
            CallToolResponse::Task(made) => Ok(made.task.task_id),
            other => bail!("no task: {other:?}"),
        }
    }

    /// What the task has come to, once it is in this state.
    async fn poll(&self, id: &str, wanted: TaskStatus) -> Result<TaskPayload, ServiceError> {
        for _ in 0..POLLS {
            let task = self.0.get_task(GetTaskParams::new(id)).await?.task;
            if task.status() == wanted {
                return Ok(task.payload);
            }
        }
        panic!("polled {POLLS} times for {id} to be {wanted:?}");
    }

    /// Polls a task that was just made, then cancels it or tells the name.
    async fn see_to(&self, id: &str, number: usize) -> Result<(), ServiceError> {
        self.poll(id, TaskStatus::InputRequired).await?;
        if number.is_multiple_of(3) {
            self.0.cancel_task(CancelTaskParams::new(id)).await?;
            self.poll(id, TaskStatus::Cancelled).await?;
            return Ok(());
        }
        let said = json!({"action": "accept", "content": {"name": number.to_string()}});
        let said = [("name".to_owned(), said)].into_iter().collect();
        self.0.update_task(UpdateTaskParams::new(id, said)).await?;
        let payload = self.poll(id, TaskStatus::Completed).await?;
        let TaskPayload::Completed { result } = payload else { panic!("{payload:?}") };
        assert_eq!(result["content"][0]["text"], format!("hello {number}"));
        Ok(())
    }
}

/// The server does not know the task, and says so to the request's own id: without that the SDK would wait.
fn is_unknown(error: &ServiceError) -> bool {
    matches!(error, ServiceError::McpError(error) if error.code == ErrorCode::INVALID_PARAMS)
}

/// How many of so many tasks could be seen to, by `asks` as soon as `makes` has them.
pub(crate) async fn seen_to(makes: &Client, asks: &Client, count: usize) -> Result<usize> {
    let mut done = 0;
    for number in 0..count {
        let id = makes.make().await?;
        match asks.see_to(&id, number).await {
            Ok(()) => done += 1,
            Err(error) => ensure!(is_unknown(&error), "{error:?}"),
        }
    }
    Ok(done)
}

fn rule(plugin: &mut Value) {
    plugin["modern"] = json!({"affinity": [{"task": {"id_header": "mcp-name"}}]});
}

async fn start(mode: Mode, change: impl FnOnce(Bootstrap) -> Bootstrap) -> Result<Cluster> {
    Cluster::start(mode, Server::RmcpTasks, Transport::StreamableHttp, change).await
}

#[tokio::test(flavor = "multi_thread")]
async fn tasks_are_polled_updated_and_cancelled_on_their_pods() -> Result<()> {
    let without = start(Mode::Authority, |example| example).await?;
    let client = Client::of(&without.envoy).await?;
    let done = seen_to(&client, &client, 30).await?;
    println!("without a rule {done} of 30 tasks could be seen to");
    assert!(done < 10, "{done}");
    for mode in [Mode::Authority, Mode::Endpoint] {
        let cluster = start(mode, |example| example.plugin(rule)).await?;
        let client = Client::of(&cluster.envoy).await?;
        assert_eq!(seen_to(&client, &client, 100).await?, 100, "{mode:?}");
        assert_eq!(cluster.envoy.counter("learned").await, 100);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn tasks_are_found_through_another_envoy_by_a_redis() -> Result<()> {
    let redis = Redis::start().await?;
    let webdis = Webdis::start(&redis, None).await?;
    let mut used = None;
    let cluster = start(Mode::Authority, |mut example| {
        let shared = Bootstrap::example("redis.yaml").expect("the example");
        example.take_store(shared.port(WEBDIS, webdis.address.port()));
        example = example.plugin(rule).plugin(|plugin| plugin["store"]["timeout"] = json!("1s"));
        used = Some(example.clone());
        example
    });
    let cluster = cluster.await?;
    let other = Envoy::start(&used.expect("a configuration")).await?;
    let (makes, asks) = (Client::of(&cluster.envoy).await?, Client::of(&other).await?);
    assert_eq!(seen_to(&makes, &asks, 100).await?, 100);
    assert_eq!(cluster.envoy.counter("learned").await, 100);
    assert_eq!(other.counter("untracked").await, 0);
    Ok(())
}

/// Has 30 tasks made, kills a pod, and looks what becomes of the tasks. How many requests were sent again.
async fn kill_under_tasks(mode: Mode, leaves: bool) -> Result<u64> {
    let mut cluster = start(mode, |example| example.plugin(rule)).await?;
    let client = Client::of(&cluster.envoy).await?;
    let mut tasks = Vec::new();
    for _ in 0..30 {
        tasks.push(client.make().await?);
    }
    cluster.kill_noticed(1, &[]).await;
    if leaves {
        cluster.dns.set(&[Some(pod_ip(0)), None, Some(pod_ip(2))], &[0, 2]).await?;
        let members = "cluster.myserver.membership_total";
        let leaves = || async {
            let stats = cluster.envoy.stats(members).await.expect("Envoy's stats");
            (stats.get(members) == Some(&2)).then_some(())
        };
        until("the endpoint to be gone", leaves).await;
    }
    let (mut lost, mut kept) = (0, 0);
    for id in &tasks {
        match client.poll(id, TaskStatus::InputRequired).await {
            Ok(_) => kept += 1,
            Err(error) if is_unknown(&error) => lost += 1,
            Err(error) => {
                let log = cluster.envoy.access_log();
                bail!("{mode:?}: not from a server: {error:?}\n{log}")
            }
        }
    }
    let sent_again = cluster.envoy.counter("sent_again").await;
    println!("{mode:?}: {kept} tasks kept, {lost} lost, {sent_again} requests sent again");
    ensure!(lost > 0 && kept > 0, "{mode:?}: {lost} lost, {kept} kept");
    Ok(sent_again)
}

/// By name and by address, at the first request after the kill and at the others.
#[tokio::test(flavor = "multi_thread")]
async fn of_a_killed_pods_tasks_the_client_hears_from_a_live_server() -> Result<()> {
    for mode in Mode::ALL {
        assert_eq!(kill_under_tasks(mode, false).await?, 1, "{mode:?}");
    }
    Ok(())
}

/// The load-balancing policy `override_host` picks another endpoint by itself, then.
#[tokio::test(flavor = "multi_thread")]
async fn the_same_where_the_pod_has_no_address_any_more() -> Result<()> {
    for (mode, sent_again) in [(Mode::Authority, 1), (Mode::Endpoint, 1), (Mode::OverrideHost, 0)] {
        assert_eq!(kill_under_tasks(mode, true).await?, sent_again, "{mode:?}");
    }
    Ok(())
}
