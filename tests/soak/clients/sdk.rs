//! Clients of MCP's Rust SDK. They know one address, behind which are both Envoys.

use std::time::Instant;

use anyhow::Result;
use kit::STATEFUL_SET;
use kit::client::Session;
use serde_json::json;

use super::{Client, HUNG, wanted};
use crate::ledger::{Loss, Place};
use crate::tally::Lost;

/// A session is closed after about so many calls.
const CALLS: usize = 100;

/// After so many failures in a row it is given up: the SDK may have.
const FAILURES: u32 = 8;

/// A session, and what its server counted to.
struct Open {
    session: Session,
    pod: usize,
    since: Instant,
    count: u32,
    failures: u32,
}

pub(super) async fn run(mut client: Client) -> Result<()> {
    // Each request is a connection of its own, so each goes through another Envoy.
    client.http = reqwest::Client::builder().pool_max_idle_per_host(0).build()?;
    let mut open = None;
    while client.goes_on().await? {
        let Some(mut it) = open.take() else {
            open = client.open_by_sdk().await?;
            continue;
        };
        if client.dice.once_in(CALLS) {
            // The SDK does not say what was answered.
            drop(tokio::time::timeout(HUNG, it.session.close()).await);
            continue;
        }
        let began = Instant::now();
        let notifies = client.dice.once_in(10);
        while it.session.notifications.try_recv().is_ok() {}
        let called = async {
            match notifies {
                true => it.session.call("notify", json!({"text": "hello"})).await.map(|_| 0),
                false => it.session.count().await,
            }
        };
        let called = tokio::time::timeout(HUNG, called).await;
        let place = Place { pod: Some(it.pod), envoy: None, knows: false };
        match called {
            Ok(Ok(count)) => {
                // A failed call may have counted all the same.
                if !notifies && !(it.count + 1..=it.count + 1 + it.failures).contains(&count) {
                    let what = format!("{}: counted to {count} after {}", client.name, it.count);
                    client.soak.tally.misrouted(what);
                }
                it.count = it.count.max(count);
                if !notifies {
                    it.failures = 0;
                }
                client.well += 1;
                client.soak.tally.did(client.kind, |done| done.calls += 1);
                if notifies {
                    client.event(&mut it).await;
                }
            }
            Ok(Err(error)) if says_lost(&error) => {
                client.lose(Lost::Session, place, Loss::Session(it.since), &format!("{error:#}"));
                continue;
            }
            Ok(Err(error)) => {
                it.failures += 1;
                let status = [500, 503, 504].into_iter();
                let mut status = status.filter(|it| format!("{error:#}").contains(&it.to_string()));
                let loss = Loss::Call(began, status.next());
                client.lose(Lost::Call, place, loss, &format!("{error:#}"));
            }
            // The SDK waits for the rest of an answer that was cut.
            Err(_) => {
                it.failures += 1;
                client.lose(Lost::Call, place, Loss::Call(began, None), "no answer");
            }
        }
        if it.failures < FAILURES {
            open = Some(it);
        }
    }
    Ok(())
}

impl Client {
    async fn open_by_sdk(&mut self) -> Result<Option<Open>> {
        let since = Instant::now();
        let url = self.soak.fleet.url("/mcp");
        let opening = async {
            let session = Session::open(self.http.clone(), &url).await?;
            let pod = session.pod().await?;
            anyhow::Ok((session, pod))
        };
        let opened = tokio::time::timeout(HUNG, opening).await;
        let error = match opened {
            Ok(Ok((session, pod))) => {
                let pod = pod.strip_prefix(STATEFUL_SET).and_then(|it| it[1..].parse().ok());
                self.soak.tally.did(self.kind, |done| {
                    done.calls += 2;
                    done.opened += 1;
                });
                let pod = wanted(pod, "a pod's name")?;
                return Ok(Some(Open { session, pod, since, count: 0, failures: 0 }));
            }
            Ok(Err(error)) => format!("{error:#}"),
            Err(_) => "no answer".to_owned(),
        };
        // What exactly was answered, and to which of its requests, the SDK does not say.
        let place = Place { pod: None, envoy: None, knows: false };
        let status = [None, Some(500), Some(503)].map(|status| Loss::Call(since, status));
        let losses = status.into_iter().chain([Loss::Session(since)]);
        let causes = losses.map(|loss| self.soak.ledger.explain(place, loss));
        let cause = causes.min().unwrap_or(crate::ledger::Cause::None);
        self.lose_by(Lost::Opening, cause, || error);
        Ok(None)
    }

    /// Waits for the event of a notification, if nothing can have cut the stream: after that the SDK may be
    /// about to open another.
    async fn event(&mut self, it: &mut Open) {
        if self.soak.ledger.cuts_since(it.pod, it.since) {
            return;
        }
        let event = tokio::time::timeout(HUNG, it.session.notifications.recv()).await;
        match event {
            Ok(Some(_)) => self.soak.tally.did(self.kind, |done| done.events += 1),
            _ if self.soak.ledger.cuts_since(it.pod, it.since) => {}
            _ => self.soak.tally.hung(format!("{}: an event did not come", self.name)),
        }
    }
}

fn says_lost(error: &anyhow::Error) -> bool {
    let text = format!("{error:#} {error:?}").to_lowercase();
    text.contains("session expired") || text.contains("404") || text.contains("not found")
}
