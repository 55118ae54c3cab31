//! Clients with a GET stream. What they have the server send them through any Envoy has to come on it.

use std::time::{Duration, Instant};

use anyhow::Result;
use kit::client::Ask;
use serde_json::json;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::{Answer, Client, HUNG, Sent, Session, mark};
use crate::fleet::Running;
use crate::ledger::{Loss, Place};
use crate::tally::Lost;

/// A session is closed after about so many calls.
const CALLS: usize = 200;

/// A server that has not noticed the end of a stream gives the next one no events. It has them for the
/// one after that.
const UNNOTICED: Duration = Duration::from_secs(3);

/// A stream that is being read.
struct Stream {
    text: mpsc::UnboundedReceiver<String>,
    reader: JoinHandle<()>,
    envoy: Running,
    since: Instant,
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

/// How waiting for an event ended.
enum Heard {
    Event,
    End,
    Nothing,
}

pub(super) async fn run(mut client: Client) -> Result<()> {
    let (mut session, mut stream, mut events) = (None, None, 0_u64);
    while client.goes_on().await? {
        let Some(mut open) = session.take() else {
            stream = None;
            session = client.open(Ask::initialize()).await;
            if let Some(open) = session.take() {
                let initialized = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
                session = client.call(open, Ask::post(initialized), 202).await.0;
            }
            continue;
        };
        let Some(mut listening) = stream.take() else {
            (session, stream) = client.listen(open).await;
            continue;
        };
        if client.dice.once_in(CALLS) {
            drop(client.call(open, Ask::delete(), 202).await);
            continue;
        }
        events += 1;
        let text = format!("event-{}-{events}.", client.number);
        let notify = Ask::post(json!({
            "jsonrpc": "2.0", "id": events, "method": "tools/call",
            "params": {"name": "notify", "arguments": {"text": text}},
        }));
        let (went_on, served) = client.call(open, notify, 200).await;
        let Some(it) = went_on else { continue };
        open = it;
        stream = match client.hear(&mut listening, &text, served).await {
            Heard::Event => {
                client.soak.tally.did(client.kind, |done| done.events += 1);
                Some(listening)
            }
            Heard::Nothing if !served => Some(listening),
            Heard::End => {
                let envoy = Some(listening.envoy.number);
                let place = Place { pod: open.pod(), envoy, knows: true };
                client.lose(Lost::Stream, place, Loss::Stream(listening.since), "it ended");
                None
            }
            Heard::Nothing => {
                let again = client.listen(open).await;
                drop(listening);
                let (Some(it), Some(mut again)) = again else { continue };
                open = it;
                if !matches!(client.hear(&mut again, &text, true).await, Heard::Event) {
                    client.soak.tally.hung(format!("{}: {text} did not come", client.name));
                }
                Some(again)
            }
        };
        session = Some(open);
    }
    Ok(())
}

impl Client {
    /// Makes a call. What is left of the session, and whether the call was served.
    async fn call(
        &mut self,
        mut session: Session,
        ask: Ask,
        wanted: u16,
    ) -> (Option<Session>, bool) {
        let Answer::Got(got) = self.ask(ask.session(&session.id), Some(&session)).await else {
            return (Some(session), false);
        };
        match got.status {
            status if status == wanted && !got.text.contains("\"error\"") => {
                self.served(&mut session, &got);
                return (Some(session), true);
            }
            404 => {
                self.lose_session(&session, &got);
                return (None, false);
            }
            500 | 503 | 504 => self.lose_call(&session, &got),
            _ => self.wrong(got.told()),
        }
        (Some(session), false)
    }

    /// Opens the stream of a session.
    async fn listen(&mut self, session: Session) -> (Option<Session>, Option<Stream>) {
        let since = Instant::now();
        let ask = Ask::get().session(&session.id);
        let sent = self.send(ask, Some(&session), async |response: reqwest::Response| {
            if response.status() != 200 {
                let (status, headers) = (response.status().as_u16(), response.headers().clone());
                let text = response.text().await?;
                return Ok(Err((status, headers, text)));
            }
            Ok(Ok(response))
        });
        let (answer, envoy, began) = match sent.await {
            Sent::Answered(answer, envoy, began) => (answer, envoy, began),
            Sent::None => return (Some(session), None),
        };
        let mut response = match answer {
            Ok(response) => response,
            Err((status, headers, text)) => {
                let got = super::Got { status, headers, text, envoy, began };
                match status {
                    404 => {
                        self.lose_session(&session, &got);
                        return (None, None);
                    }
                    _ => self.lose_call(&session, &got),
                }
                return (Some(session), None);
            }
        };
        if mark(response.headers()) != session.mark {
            let what = format!("{}: a stream of {:?}", self.name, response.headers());
            self.soak.tally.misrouted(what);
        }
        let (tell, text) = mpsc::unbounded_channel();
        let reader = tokio::spawn(async move {
            while let Ok(Some(piece)) = response.chunk().await {
                let _ = tell.send(String::from_utf8_lossy(&piece).into_owned());
            }
        });
        (Some(session), Some(Stream { text, reader, envoy, since }))
    }

    /// Waits for an event; if it is not due, only looks whether the stream has ended.
    async fn hear(&mut self, stream: &mut Stream, event: &str, is_due: bool) -> Heard {
        let mut so_far = String::new();
        let until = Instant::now() + if is_due { UNNOTICED.max(HUNG / 10) } else { Duration::ZERO };
        loop {
            let piece = tokio::time::timeout_at(until.into(), stream.text.recv()).await;
            match piece {
                Ok(Some(piece)) => so_far += &piece,
                Ok(None) => return Heard::End,
                Err(_) => return Heard::Nothing,
            }
            if so_far.contains(event) {
                return Heard::Event;
            }
        }
    }
}
