//! What a session costs that this Envoy does not know yet: one question to Redis.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use http::Response;
use kit::client::Ask;
use kit::mini_redis::Front;
use kit::pods::App;
use kit::setup::{RedisFront, SharedSetup};
use redis::Value;

use crate::rules::Rule;

const SESSIONS: usize = 2000;

/// Times what the front of the Redis takes for the same question by itself.
const ALLOWED: f64 = 2.0;

/// Medians.
pub(crate) struct Miss {
    /// A call that the Envoy knows the pod of, and one that it asks Redis about.
    pub(crate) known: Duration,
    pub(crate) asked: Duration,
    /// What the front of the Redis takes for the question by itself.
    pub(crate) alone: Duration,
}

pub(crate) async fn run() -> Result<Miss> {
    let setup = SharedSetup::start(Front::Webdis, App::Script(response)).await?;
    let (opener, other) = (setup.envoy().await?, setup.envoy().await?);
    let http = reqwest::Client::new();
    let mut ids = Vec::new();
    for _ in 0..SESSIONS {
        let got = Ask::initialize().send(&http, &opener.url("")).await?.error_for_status()?;
        ids.push(got.headers().get("mcp-session-id").context("no session")?.clone());
        got.bytes().await?;
    }
    let (mut misses, mut hits, mut redis) = (Vec::new(), Vec::new(), Vec::new());
    let Value::Array(keys) = setup.redis.command(&["KEYS", "*"]).await? else { bail!("no keys") };
    let RedisFront::Webdis(webdis) = &setup.front else { bail!("no webdis") };
    let url = format!("http://{}/", webdis.address);
    // In turns, so that what else the machine does meets all three alike.
    for (id, key) in ids.iter().zip(keys) {
        let Value::BulkString(key) = key else { bail!("no key") };
        let command = format!("GETEX/{}/EX/7200", String::from_utf8(key)?);
        for times in [&mut misses, &mut hits] {
            let start = Instant::now();
            let got = Ask::tool("count").session(id).send(&http, &other.url("")).await?;
            got.error_for_status()?.bytes().await?;
            times.push(start.elapsed());
        }
        let start = Instant::now();
        let get = http.post(&url).basic_auth("podpin", Some("secret")).body(command).send().await?;
        get.error_for_status()?.bytes().await?;
        redis.push(start.elapsed());
    }
    assert_eq!(other.counter("store_asked").await as usize, SESSIONS);
    let [asked, known, alone] = [misses, hits, redis].map(median);
    Ok(Miss { known, asked, alone })
}

impl Miss {
    pub(crate) fn added(&self) -> Duration {
        self.asked.saturating_sub(self.known)
    }

    pub(crate) fn rule(&self) -> Rule {
        let ratio = self.added().as_secs_f64() / self.alone.as_secs_f64();
        Rule::at_most(ALLOWED, ratio, "x webdis' own time: asking Redis")
    }
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn response(_: &kit::pods::Seen) -> Response<String> {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    Response::builder()
        .header("content-type", "application/json")
        .header("mcp-session-id", format!("session-{number}"))
        .body(r#"{"jsonrpc":"2.0","id":0,"result":{}}"#.to_owned())
        .expect("a response")
}
