//! The official clients, when their sessions are lost with their pods.

use anyhow::{Result, ensure};
use kit::bootstrap::Bootstrap;
use kit::interop::{Client, Program, Server, Transport};
use kit::mode::Mode;
use kit::sealed::sealed_by_env;
use kit::wait::until;
use serde_json::{Value, json};

use crate::{Cluster, call_of, page};

/// Makes something else of an example.
type Change = fn(Bootstrap) -> Bootstrap;

/// Each recovers by itself, or says so in the way of its SDK, by which its documentation has applications
/// connect once more.
#[tokio::test(flavor = "multi_thread")]
async fn clients_of_a_lost_session_do_what_the_page_says() -> Result<()> {
    lose([Server::Python2, Server::Everything, Server::Go], |example| example).await
}

/// None of them notices that its id is not the server's.
#[tokio::test(flavor = "multi_thread")]
async fn clients_of_sealed_ids_are_served_and_told_alike() -> Result<()> {
    lose([Server::Python1, Server::Python2, Server::Everything, Server::Rmcp], sealed_by_env).await
}

async fn lose<const N: usize>(servers: [Server; N], change: Change) -> Result<()> {
    for server in servers {
        let mut cluster =
            Cluster::start(Mode::Authority, server, Transport::StreamableHttp, change).await?;
        let connect =
            json!({"op": "connect", "url": cluster.envoy.url("/mcp"), "transport": "http"});
        let call = call_of(server);
        let mut clients = Vec::new();
        for client in Client::ALL {
            let mut program = Program::client(client)?;
            is_ok(&program.order(&connect)?, client)?;
            for _ in 0..3 {
                is_ok(&program.order(&call)?, client)?;
            }
            clients.push((client, program));
        }
        for ordinal in 0..3 {
            cluster.kill(ordinal);
            cluster.start_again(ordinal, cluster.ips[ordinal]).await;
        }
        let mut rows = Vec::new();
        for (client, program) in &mut clients {
            let answers = [program.order(&call)?, program.order(&call)?];
            // As an application does that was told.
            is_ok(&program.order(&connect)?, *client)?;
            is_ok(&program.order(&call)?, *client)?;
            let does = match answers.each_ref().map(|answer| answer["ok"] == true) {
                [true, true] => "nothing; what the session had is gone",
                [false, true] => "call again",
                _ => "connect again",
            };
            let mut cells = vec![page::client(*client)?];
            cells.extend(answers.iter().map(told));
            cells.push(does.to_owned());
            rows.push(cells);
        }
        let heading = ["client", "its next call", "the call after that", "the application has to"];
        page::same("lost", &page::table(&heading.map(str::to_owned), &rows))?;
    }
    Ok(())
}

/// Of a server that keeps what it has said for clients that resume a stream.
#[tokio::test(flavor = "multi_thread")]
async fn clients_with_a_call_under_way_do_what_the_page_says() -> Result<()> {
    let server = Server::Python2;
    let mut cluster =
        Cluster::start(Mode::Authority, server, Transport::StreamableHttp, |it| it).await?;
    let connect = json!({"op": "connect", "url": cluster.envoy.url("/mcp"), "transport": "http"});
    // Longer than any client waits.
    let endless = json!({"op": "call", "name": "progress", "arguments": {"steps": 100_000}});
    let mut clients = Vec::new();
    for client in Client::ALL {
        let mut program = Program::client(client)?;
        is_ok(&program.order(&connect)?, client)?;
        program.begin(&endless)?;
        clients.push((client, program));
    }
    until("all calls to be under way", || async {
        let stats = cluster.envoy.stats("upstream_rq_active").await.expect("Envoy's stats");
        // Each has the stream of its session too.
        (stats.values().sum::<u64>() as usize >= 2 * Client::ALL.len()).then_some(())
    })
    .await;
    for ordinal in 0..3 {
        cluster.kill(ordinal);
        cluster.start_again(ordinal, cluster.ips[ordinal]).await;
    }
    let mut rows = Vec::new();
    for (client, program) in &mut clients {
        let answer = program.answer()?;
        // Whether it is told at once depends on what it notices first.
        let became = match client {
            Client::Java if answer["ok"] == false => {
                "fails, at the latest when its time is up".to_owned()
            }
            _ => told(&answer),
        };
        is_ok(&program.order(&connect)?, *client)?;
        is_ok(&program.order(&call_of(server))?, *client)?;
        rows.push(vec![page::client(*client)?, became]);
    }
    let heading = ["client", "the call that was under way"].map(str::to_owned);
    page::same("under way", &page::table(&heading, &rows))
}

pub(crate) fn is_ok(answer: &Value, client: Client) -> Result<()> {
    ensure!(answer["ok"] == true, "{client:?}: {answer}");
    Ok(())
}

/// What a call came to.
pub(crate) fn told(answer: &Value) -> String {
    if answer["ok"] == true {
        return "works, in a new session".to_owned();
    }
    let class = answer["class"].as_str().unwrap_or_default();
    let mut told = match class {
        // Which of them depends on whether the client has asked for its stream once more by then.
        "ErrSessionMissing" | "ErrConnectionClosed" => {
            return "`ErrSessionMissing` or `ErrConnectionClosed`".to_owned();
        }
        "TimeoutError" | "TimeoutException" => {
            return "does not end before its time is up".to_owned();
        }
        _ => format!("`{class}`"),
    };
    for number in ["status", "code"] {
        if let Some(value) = answer[number].as_i64() {
            told.push_str(&format!(", {number} {value}"));
        }
    }
    // A class that is everybody's says nothing.
    if class == "RuntimeException" {
        told.push_str(&format!(": {}", answer["message"].as_str().unwrap_or_default()));
    }
    told
}
