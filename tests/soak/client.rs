//! One client, and what it is told.

use std::fmt;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use kit::client::Ask;
use kit::dialects::{DIALECT, DIALECTS};
use serde_json::json;
use tokio::sync::watch;

use crate::State;

/// How long a client may go without a session when all is well again.
const RECOVERY: Duration = Duration::from_secs(30);

/// What clients saw.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seen {
    served: u64,
    /// Sessions that were said to be lost.
    pub(crate) lost: u64,
    /// Requests that failed in another way that the trouble explains.
    failed: u64,
    /// Requests for a session that opened none.
    refused: u64,
}

impl Seen {
    pub(crate) fn add(&mut self, other: Self) {
        self.served += other.served;
        self.lost += other.lost;
        self.failed += other.failed;
        self.refused += other.refused;
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { served, lost, failed, refused } = self;
        write!(
            f,
            "{served} calls served, {lost} sessions lost, {failed} calls failed otherwise, "
        )?;
        write!(f, "{refused} sessions not opened")
    }
}

/// Calls until trouble is over and a session works.
pub(crate) async fn run(
    number: usize,
    url: String,
    states: watch::Receiver<State>,
) -> Result<Seen> {
    let (http, mut seen, mut session) = (reqwest::Client::new(), Seen::default(), None);
    let dialect = DIALECTS[number % DIALECTS.len()];
    let mut calm = None;
    let mut good = 0;
    loop {
        if *states.borrow() == State::Calm {
            let since = *calm.get_or_insert_with(Instant::now);
            if good >= 20 {
                return Ok(seen);
            }
            ensure!(since.elapsed() < RECOVERY, "client {number} has no session that works");
        }
        let Some(id) = session.take() else {
            session = open(&http, &url).await?;
            seen.refused += u64::from(session.is_none());
            good = 0;
            continue;
        };
        let message = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"});
        let ask = Ask::post(message).session(&id).header(DIALECT, dialect);
        let response = ask.send(&http, &url).await.context("Envoy answers")?;
        let status = response.status().as_u16();
        let body = response.bytes().await.context("a whole answer")?;
        let text = String::from_utf8_lossy(&body).into_owned();
        let is_result = text.contains("\"result\"");
        match status {
            200 if is_result => (seen.served, good) = (seen.served + 1, good + 1),
            // Of the dialect that says so in a success, once for each session.
            200 if dialect == "200" => seen.failed += 1,
            404 => {
                ensure!(text.contains("-32001"), "client {number} was told 404 and {text}");
                (seen.lost, good) = (seen.lost + 1, 0);
                continue;
            }
            500 | 503 | 504 => (seen.failed, good) = (seen.failed + 1, 0),
            _ => bail!("client {number}, {dialect}, was told {status} and {text}"),
        }
        session = Some(id);
    }
}

async fn open(http: &reqwest::Client, url: &str) -> Result<Option<String>> {
    let response = Ask::initialize().send(http, url).await.context("Envoy answers")?;
    let status = response.status().as_u16();
    ensure!([200, 500, 503, 504].contains(&status), "an initialize was answered {status}");
    let id = response.headers().get("mcp-session-id").cloned();
    drop(response.bytes().await);
    Ok(id.filter(|_| status == 200).and_then(|id| id.to_str().ok().map(str::to_owned)))
}
