//! Clients of HTTP+SSE. A session is a stream; its messages may go through another Envoy.

use std::time::Instant;

use anyhow::Result;
use kit::client::Ask;
use serde_json::json;
use tokio::task::JoinHandle;

use super::{Answer, Client, Got, Sent, Session, mark};
use crate::fleet::Running;
use crate::ledger::{Cause, Loss, Place};
use crate::tally::Lost;

/// A session is closed after about so many messages.
const MESSAGES: usize = 100;

struct Open {
    /// Its id is the path of its messages.
    session: Session,
    envoy: Running,
    /// Ends with the stream.
    stream: JoinHandle<()>,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.stream.abort();
    }
}

pub(super) async fn run(mut client: Client) -> Result<()> {
    let mut open = None;
    while client.goes_on().await? {
        let Some(mut it) = open.take() else {
            open = client.open_stream().await;
            continue;
        };
        if client.dice.once_in(MESSAGES) {
            continue;
        }
        if it.stream.is_finished() {
            client.lose_stream(&it, "its stream ended", None);
            continue;
        }
        let message = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"});
        let ask = Ask::post(message).at(&it.session.id);
        let Answer::Got(got) = client.ask(ask, Some(&it.session)).await else {
            open = Some(it);
            continue;
        };
        match got.status {
            202 => client.served(&mut it.session, &got),
            404 => {
                client.lose_stream(&it, &got.told(), Some(&got));
                continue;
            }
            500 | 503 | 504 => client.lose_call(&it.session, &got),
            _ => client.wrong(got.told()),
        }
        open = Some(it);
    }
    Ok(())
}

impl Client {
    /// Accounts for a session that is no more: its stream ended, or it was answered so.
    fn lose_stream(&mut self, it: &Open, told: &str, got: Option<&Got>) {
        let ledger = &self.soak.ledger;
        let stream = Loss::Stream(it.session.since);
        let place = Place { pod: it.session.pod(), envoy: Some(it.envoy.number), knows: true };
        let ended = ledger.explain(place, stream);
        let answered = got.map(|got| {
            ledger.explain(it.session.place(got.envoy), Loss::Session(it.session.since))
        });
        let cause = ended.min(answered.unwrap_or(Cause::None));
        self.lose_by(Lost::Session, cause, || format!("{place:?}, {stream:?}: {told}"));
    }

    async fn open_stream(&mut self) -> Option<Open> {
        let since = Instant::now();
        let sent =
            self.send(Ask::get().at("/sse"), None, async |mut response: reqwest::Response| {
                let (status, headers) = (response.status().as_u16(), response.headers().clone());
                let mut text = String::new();
                // Of anything but a stream, all of it.
                while status != 200 || !text.contains("\r\n\r\n") {
                    // A session that cannot be bound is broken off.
                    let Ok(Some(piece)) = response.chunk().await else { break };
                    text += &String::from_utf8_lossy(&piece);
                }
                Ok((status, headers, text, response))
            });
        let Sent::Answered((status, headers, text, mut response), envoy, began) = sent.await else {
            return None;
        };
        let path = text.lines().find_map(|line| line.strip_prefix("data: ")).map(str::to_owned);
        let mark = mark(&headers);
        let Some(path) = path.filter(|_| status == 200) else {
            if status == 200 {
                // It was broken off before the event.
                let place = Place { pod: None, envoy: Some(envoy.number), knows: false };
                let causes = [None, Some(503)]
                    .map(|status| self.soak.ledger.explain(place, Loss::Call(began, status)));
                let cause = causes.into_iter().min().unwrap_or(Cause::None);
                self.lose_by(Lost::Opening, cause, || format!("a stream of {text:?}"));
            } else {
                self.refused(&Got { status, headers, text, envoy, began });
            }
            return None;
        };
        self.soak.tally.did(self.kind, |done| {
            done.calls += 1;
            done.opened += 1;
        });
        let stream = tokio::spawn(async move { while let Ok(Some(_)) = response.chunk().await {} });
        let session = Session { id: path, mark, since, known: [envoy].into() };
        Some(Open { session, envoy, stream })
    }
}
