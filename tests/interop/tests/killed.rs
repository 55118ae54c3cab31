//! A pod that ends without a word, in the era without sessions.

use anyhow::{Context, Result};
use kit::envoy::Envoy;
use kit::interop::Server;
use serde_json::json;

use crate::modern::{Client, start, with};

/// Each client has an Envoy of its own, which does not know yet what became of the pod. All have one key.
#[tokio::test(flavor = "multi_thread")]
async fn clients_of_each_sdk_do_not_notice_that_the_pod_of_their_key_is_gone() -> Result<()> {
    let rule = json!({"affinity": [{"key": {"header": "mcp-protocol-version"}, "remember": true}]});
    let mut used = None;
    let cluster = start(Server::Python2, |example| {
        let example = with(rule)(example);
        used = Some(example.clone());
        example
    });
    let mut cluster = cluster.await;
    let used = used.expect("a configuration");
    let mut clients = Vec::new();
    for sdk in Client::SDKS {
        let envoy = Envoy::start(&used).await?;
        let mut client = Client::of(sdk, &envoy.url("/mcp")).await?;
        let pid = client.number("pid", json!({})).await?;
        clients.push((sdk, envoy, client, pid));
    }
    let pid = clients[0].3;
    assert!(clients.iter().all(|(.., other)| *other == pid), "one key, one pod");
    let is_it = |pod: &Option<_>| {
        pod.as_ref().is_some_and(|it: &kit::interop::Program| u64::from(it.id()) == pid)
    };
    let gone = cluster.pods.iter().position(is_it).context("a pod")?;
    let envoys: Vec<_> = clients.iter().map(|(_, envoy, ..)| envoy).collect();
    cluster.kill_noticed(gone, &envoys).await;
    for (sdk, envoy, client, _) in &mut clients {
        let now = client.number("pid", json!({})).await.with_context(|| (*sdk).to_owned())?;
        assert_ne!(now, pid, "{sdk}");
        assert_eq!(client.number("pid", json!({})).await?, now, "{sdk}: its key stays there");
        assert_eq!(envoy.counter("sent_again").await, 1, "{sdk}");
    }
    Ok(())
}
