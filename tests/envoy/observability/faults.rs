//! What is done with them: service, and all that can go wrong.

use std::path::Path;

use kit::bootstrap::publish;
use kit::client::{Ask, Session};
use kit::discovered::{Discovered, got};
use kit::envoy::Envoy;
use kit::link;
use kit::setup::SharedSetup;
use kit::wait::until;
use serde_json::{Value, json};

use super::proxies::{EXTENSIONS, LISTENERS, STRAYING, extension};
use crate::redis::{call, key_of, open};

/// Three sessions, one of which ends.
pub(super) async fn serve(envoy: &Envoy) {
    let mut sessions = Vec::new();
    for _ in 0..3 {
        let session = Session::open(reqwest::Client::new(), &envoy.url("/mcp")).await;
        sessions.push(session.expect("a session opens"));
    }
    for count in 1..=5 {
        for session in &sessions {
            assert_eq!(session.count().await.expect("no session is lost"), count);
        }
    }
    sessions.pop().expect("a session").close().await.expect("the session ends");
    envoy.counted("ended", 1).await;
}

/// All that goes wrong between clients, pods and a Redis.
pub(super) async fn fail(setup: &mut SharedSetup, envoy: &Envoy) {
    let mut sessions = Vec::new();
    // More than there is room for.
    for _ in 0..40 {
        sessions.push(open(envoy).await);
    }
    let sessions = &sessions[34..];
    for number in 0..20 {
        assert_eq!(call(envoy, &format!("unheard-of-{number}")).await, 404, "unknown");
    }
    setup.redis.command(&["SET", &key_of("forged"), "no record"]).await.unwrap();
    assert_eq!(call(envoy, "forged").await, 404, "not trusted");
    for ordinal in 0..3 {
        setup.stop(envoy, ordinal).await;
    }
    for id in sessions {
        assert_eq!(call(envoy, id).await, 404, "unreachable");
    }
    for ordinal in 0..3 {
        setup.pods.start_again(ordinal).unwrap();
    }
    for id in sessions {
        assert_eq!(call(envoy, id).await, 404, "lost");
    }
    setup.link.set(link::Mode::Closed);
    for number in 0..5 {
        assert_eq!(call(envoy, &format!("never-heard-of-{number}")).await, 503);
    }
    for counter in ["evicted", "unknown", "store_untrusted", "unreachable", "lost", "store_faults"]
    {
        assert!(envoy.counter(counter).await > 0, "{counter}");
    }
}

/// Configurations that Envoy refuses: one of the filter, and one of the listener.
pub(super) async fn reject(directory: &Path, envoy: &Envoy) {
    let read = |file: &str| -> Value {
        let text = std::fs::read_to_string(directory.join(file)).expect("a file");
        serde_json::from_str::<Value>(&text).expect("JSON")["resources"][0].take()
    };
    let mut config = read(EXTENSIONS)["typed_config"].take();
    config["config"]["configuration"]["value"] = json!("{}");
    publish(&[extension(config)], &directory.join(EXTENSIONS));
    let mut listener = read(LISTENERS);
    listener["filter_chains"] = json!([]);
    publish(&[listener], &directory.join(LISTENERS));
    until("the updates to be rejected", async || {
        let stats = envoy.stats("update_rejected").await.ok()?;
        let rejected = |part: &str| stats.iter().any(|(name, n)| name.contains(part) && *n > 0);
        (rejected("extension_config_discovery") && rejected("lds")).then_some(())
    })
    .await;
}

pub(super) async fn stray(setup: &Discovered) {
    let (http, origin) = (reqwest::Client::new(), setup.envoy.url(""));
    until("a request to stray", async || {
        let opened = got(Ask::initialize(), &http, &origin).await.unwrap();
        let id = opened.header("mcp-session-id")?.to_owned();
        for _ in 0..3 {
            got(Ask::tool("count").session(&id), &http, &origin).await.unwrap();
        }
        (setup.envoy.counter_of(STRAYING, "strayed").await > 0).then_some(())
    })
    .await;
}
