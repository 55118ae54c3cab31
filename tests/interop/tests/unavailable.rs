//! The official clients, when Podpin cannot be told where their sessions live: it answers 503, and serves them
//! again as soon as it can.

use anyhow::{Result, ensure};
use kit::bootstrap::{Bootstrap, WEBDIS};
use kit::client::Ask;
use kit::envoy::Envoy;
use kit::interop::{Client, Program, Server, Transport};
use kit::link::{Link, Mode as Way};
use kit::mode::Mode;
use kit::redis::{Redis, Webdis};
use kit::wait::until;
use serde_json::json;

use crate::clients::{is_ok, told};
use crate::{Cluster, call_of, page};

/// What this server counts to in a session that is called for the third time.
const THIRD: u64 = 3;

/// None waits in vain, and none has to lose its session.
#[tokio::test(flavor = "multi_thread")]
async fn clients_that_are_to_try_again_do_what_the_page_says() -> Result<()> {
    let redis = Redis::start().await?;
    let webdis = Webdis::start(&redis, None).await?;
    let link = Link::to(webdis.address).await?;
    let server = Server::Python2;
    let cluster = Cluster::start(Mode::Authority, server, Transport::StreamableHttp, |mut it| {
        let shared = Bootstrap::example("redis.yaml").expect("the example");
        it.take_store(shared.port(WEBDIS, link.address.port()));
        // One bucket, so that sessions are forgotten which only the Redis has then.
        it.plugin(|plugin| plugin["store"]["capacity"] = json!(8))
    });
    let cluster = cluster.await?;
    let connect = json!({"op": "connect", "url": cluster.envoy.url("/mcp"), "transport": "http"});
    let call = call_of(server);
    let mut clients = Vec::new();
    for client in Client::ALL {
        let mut program = Program::client(client)?;
        is_ok(&program.order(&connect)?, client)?;
        for _ in 0..2 {
            is_ok(&program.order(&call)?, client)?;
        }
        clients.push((client, program));
    }
    for _ in 0..40 {
        ensure!(status(&cluster.envoy, Ask::initialize()).await == 200, "a session opens");
    }
    link.set(Way::Closed);
    let mut rows = Vec::new();
    for (client, program) in &mut clients {
        let answer = program.order(&call)?;
        ensure!(answer["ok"] == false, "{client:?}: {answer}");
        let told = told(&answer);
        ensure!(!told.contains("does not end"), "{client:?} waits in vain");
        rows.push(vec![page::client(*client)?, told]);
    }
    link.set(Way::Open);
    is_asked_again(&cluster.envoy).await;
    for ((client, program), row) in clients.iter_mut().zip(&mut rows) {
        let answer = program.order(&call)?;
        let goes_on = answer["ok"] == true;
        ensure!(
            !goes_on || answer["result"] == THIRD,
            "{client:?} is in another session: {answer}"
        );
        row.push(if goes_on { "works, in the same session".to_owned() } else { told(&answer) });
        row.push(if goes_on { "call again" } else { "connect again" }.to_owned());
        // As an application does that was told.
        is_ok(&program.order(&connect)?, *client)?;
        is_ok(&program.order(&call)?, *client)?;
    }
    let heading = ["client", "a call meanwhile", "a call after that", "the application has to"];
    page::same("unavailable", &page::table(&heading.map(str::to_owned), &rows))
}

async fn status(envoy: &Envoy, ask: Ask) -> u16 {
    let got = ask.send(&reqwest::Client::new(), &envoy.url("")).await.expect("a response");
    got.status().as_u16()
}

/// Waits until each worker thread of Envoy asks the Redis again.
async fn is_asked_again(envoy: &Envoy) {
    until("the Redis to be asked again", || async {
        for number in 0..20 {
            let ask = Ask::tool("bump").session(format!("never-heard-of-{number}"));
            if status(envoy, ask).await == 503 {
                return None;
            }
        }
        Some(())
    })
    .await;
}
