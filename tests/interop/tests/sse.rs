//! Sessions of HTTP+SSE, of servers and clients that have it still.

use anyhow::Result;
use kit::client::Ask;
use kit::interop::{Client, Program, Server, Transport};
use kit::mode::Mode;
use kit::wait::{until, within};
use serde_json::json;

use crate::{Cluster, call_of};

#[tokio::test(flavor = "multi_thread")]
async fn every_message_reaches_the_pod_of_its_stream() -> Result<()> {
    let modes = [
        (Mode::Authority, Server::Python1),
        (Mode::DynamicHost, Server::Python2),
        (Mode::Endpoint, Server::Everything),
    ];
    for (mode, server) in modes {
        let cluster = Cluster::start(mode, server, Transport::Sse, |it| it).await?;
        let connect =
            json!({"op": "connect", "url": cluster.envoy.url("/sse"), "transport": "sse"});
        let mut clients = Vec::new();
        // More than one pod could be right by chance.
        for _ in 0..2 {
            for client in Client::of(Transport::Sse) {
                let mut program = Program::client(client)?;
                let got = program.order(&connect)?;
                assert_eq!(got, json!({"ok": true}), "{client:?} on {server:?}");
                clients.push((client, program));
            }
        }
        for _ in 0..5 {
            for (client, program) in &mut clients {
                let got = program.order(&call_of(server))?;
                assert_eq!(got["ok"], true, "{client:?} on {server:?}: {got}");
            }
        }
        assert_eq!(cluster.envoy.counter("bound").await, 12);
        drop(clients);
        cluster.envoy.counted("ended", 12).await;
    }
    Ok(())
}

/// This server never answers what it does not know.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_went_with_its_pod_is_answered_at_once() -> Result<()> {
    let mut cluster =
        Cluster::start(Mode::Authority, Server::Everything, Transport::Sse, |it| it).await?;
    let (http, url) = (reqwest::Client::new(), cluster.envoy.url(""));
    let mut stream = Ask::get().at("/sse").send(&http, &url).await?;
    let mut text = String::new();
    while !text.contains("\n\n") {
        let piece = within("an event", stream.chunk()).await?.expect("a stream");
        text.push_str(std::str::from_utf8(&piece)?);
    }
    let uri = text.lines().find_map(|line| line.strip_prefix("data: ")).expect("a URI");
    let message = json!({"jsonrpc": "2.0", "id": 1, "method": "ping"});
    let ask = || Ask::post(message.clone()).at(uri);
    assert_eq!(ask().send(&http, &url).await?.status(), 202);
    for ordinal in 0..3 {
        cluster.kill(ordinal);
        cluster.start_again(ordinal, cluster.ips[ordinal]).await;
    }
    until("the end of the stream", || async {
        (cluster.envoy.counter("ended").await == 1).then_some(())
    })
    .await;
    let got = within("an answer", ask().send(&http, &url)).await?;
    assert_eq!(got.status(), 404);
    Ok(())
}
