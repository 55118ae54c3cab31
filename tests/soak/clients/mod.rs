//! Clients of every kind. Each calls at a bounded rate until the trouble is over, and then until all is well.

mod dialect;
mod sdk;
mod session;
mod sse;
mod stream;
mod untouched;

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use kit::client::Ask;
use tokio::sync::watch;

use crate::dice::Dice;
use crate::fleet::{Fleet, Running};
use crate::ledger::{Cause, Ledger, Loss, Place};
use crate::tally::{Kind, Lost, Tally};

use self::session::{Got, Session, mark};

/// How long a call may take, on a machine that is busy with other things too.
const HUNG: Duration = Duration::from_secs(30);

/// How long a client may go without what it wants when nothing is broken any more.
const RECOVERY: Duration = Duration::from_secs(60);

/// How often in a row a client has to be served to be well.
const WELL: u32 = 20;

/// What all clients share.
pub(crate) struct Soak {
    pub(crate) fleet: Fleet,
    pub(crate) ledger: Ledger,
    pub(crate) tally: Tally,
}

/// Whether trouble is made.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum State {
    Trouble,
    /// No more: each client has to end up well.
    Calm,
}

/// Runs one client until it is well in the calm.
pub(crate) async fn run(
    kind: Kind,
    number: usize,
    seed: u64,
    soak: Arc<Soak>,
    states: watch::Receiver<State>,
) -> Result<()> {
    let seed = seed ^ ((number as u64 + 1) << 32);
    let name = format!("client {number} ({})", kind.name());
    let client = Client {
        kind,
        number,
        name,
        http: reqwest::Client::new(),
        dice: Dice::new(seed),
        soak,
        states,
        calm: None,
        well: 0,
    };
    match kind {
        Kind::Dialect => dialect::run(client).await,
        Kind::Sdk => sdk::run(client).await,
        Kind::Stream => stream::run(client).await,
        Kind::Sse => sse::run(client).await,
        Kind::Later | Kind::Elsewhere => untouched::run(client).await,
    }
}

struct Client {
    kind: Kind,
    number: usize,
    name: String,
    http: reqwest::Client,
    dice: Dice,
    soak: Arc<Soak>,
    states: watch::Receiver<State>,
    calm: Option<Instant>,
    /// How often in a row it was served.
    well: u32,
}

/// How a call ended.
enum Answer {
    Got(Got),
    /// Without an answer; it is accounted for.
    None,
}

/// How sending came out.
enum Sent<T> {
    Answered(T, Running, Instant),
    /// It is accounted for.
    None,
}

impl Client {
    /// Waits a little. False when it may end.
    async fn goes_on(&mut self) -> Result<bool> {
        let pause = self.dice.between(100, 300);
        tokio::time::sleep(pause).await;
        if *self.states.borrow() == State::Trouble {
            return Ok(true);
        }
        let calm = *self.calm.get_or_insert_with(Instant::now);
        ensure!(calm.elapsed() < RECOVERY, "{} is not well, though all is whole", self.name);
        Ok(self.well < WELL)
    }

    /// Sends it through any Envoy, and reads all of the answer.
    async fn ask(&mut self, ask: Ask, session: Option<&Session>) -> Answer {
        let sent = self.send(ask, session, async |response: reqwest::Response| {
            let (status, headers) = (response.status().as_u16(), response.headers().clone());
            let body = response.bytes().await?;
            Ok((status, headers, String::from_utf8_lossy(&body).into_owned()))
        });
        match sent.await {
            Sent::Answered((status, headers, text), envoy, began) => {
                Answer::Got(Got { status, headers, text, envoy, began })
            }
            Sent::None => Answer::None,
        }
    }

    /// Sends it through any Envoy, or the other one if that refuses connections.
    async fn send<T>(
        &mut self,
        ask: Ask,
        session: Option<&Session>,
        read: impl AsyncFn(reqwest::Response) -> Result<T>,
    ) -> Sent<T> {
        let pod = session.and_then(Session::pod);
        let lost = if session.is_some() { Lost::Call } else { Lost::Opening };
        let lost = if self.is_of_no_session() { Lost::Call } else { lost };
        for envoy in self.soak.fleet.in_any_order(&mut self.dice) {
            let began = Instant::now();
            let url = format!("http://{}", envoy.address);
            let exchange = async { read(ask.clone().send(&self.http, &url).await?).await };
            let place = Place { pod, envoy: Some(envoy.number), knows: true };
            match tokio::time::timeout(HUNG, exchange).await {
                Ok(Ok(answer)) => return Sent::Answered(answer, envoy, began),
                // Nothing was sent.
                Ok(Err(error)) if is_refused(&error) => {
                    let place = Place { pod: Some(usize::MAX), ..place };
                    if self.soak.ledger.explain(place, Loss::Call(began, None)) == Cause::None {
                        self.wrong(format!("{envoy:?} refused a connection: {error:#}"));
                    }
                }
                Ok(Err(error)) => {
                    self.lose(lost, place, Loss::Call(began, None), &format!("{error:#}"));
                    return Sent::None;
                }
                Err(_) => {
                    self.well = 0;
                    let what = format!("{}: no answer of {envoy:?} to {ask:?}", self.name);
                    self.soak.tally.hung(what);
                    return Sent::None;
                }
            }
        }
        self.wrong("no Envoy was there".to_owned());
        Sent::None
    }

    fn is_of_no_session(&self) -> bool {
        matches!(self.kind, Kind::Later | Kind::Elsewhere)
    }

    /// Accounts for something that was lost.
    fn lose(&mut self, lost: Lost, place: Place, loss: Loss, told: &str) {
        let cause = self.soak.ledger.explain(place, loss);
        self.lose_by(lost, cause, || format!("{lost:?} was lost at {place:?}, {loss:?}: {told}"));
    }

    fn lose_by(&mut self, lost: Lost, cause: Cause, what: impl FnOnce() -> String) {
        self.well = 0;
        self.soak.tally.lost(self.kind, lost, cause);
        if cause == Cause::None {
            self.wrong(what());
        }
    }

    /// Accounts for a session that is no more.
    fn lose_session(&mut self, session: &Session, got: &Got) {
        let place = session.place(got.envoy);
        self.lose(Lost::Session, place, Loss::Session(session.since), &got.told());
    }

    /// Accounts for a call that was answered by anything else.
    fn lose_call(&mut self, session: &Session, got: &Got) {
        let loss = Loss::Call(got.began, Some(got.status));
        self.lose(Lost::Call, session.place(got.envoy), loss, &got.told());
    }

    /// Accounts for a call that was served, unless it was served by another pod.
    fn served(&mut self, session: &mut Session, got: &Got) {
        if got.mark() != session.mark {
            let what = format!("{}: {} answered for {}", self.name, got.mark(), session.mark);
            self.soak.tally.misrouted(what);
        }
        session.known.insert(got.envoy);
        self.well += 1;
        self.soak.tally.did(self.kind, |done| done.calls += 1);
    }

    /// Opens a session by an initialize.
    async fn open(&mut self, ask: Ask) -> Option<Session> {
        let since = Instant::now();
        let Answer::Got(got) = self.ask(ask, None).await else { return None };
        let id = got.headers.get("mcp-session-id").and_then(|id| id.to_str().ok());
        let Some(id) = id.filter(|_| got.status == 200) else {
            self.refused(&got);
            return None;
        };
        self.soak.tally.did(self.kind, |done| {
            done.calls += 1;
            done.opened += 1;
        });
        Some(Session { id: id.to_owned(), mark: got.mark(), since, known: [got.envoy].into() })
    }

    /// Accounts for what opened no session.
    fn refused(&mut self, got: &Got) {
        let place = Place { pod: got.pod(), envoy: Some(got.envoy.number), knows: false };
        let loss = Loss::Call(got.began, Some(got.status));
        self.lose(Lost::Opening, place, loss, &got.told());
    }

    fn wrong(&mut self, what: String) {
        self.well = 0;
        self.soak.tally.wrong(format!("{}: {what}", self.name));
    }
}

/// Whether no connection came about.
fn is_refused(error: &anyhow::Error) -> bool {
    error.downcast_ref::<reqwest::Error>().is_some_and(reqwest::Error::is_connect)
}

/// What a client cannot do without.
fn wanted<T>(it: Option<T>, what: &'static str) -> Result<T> {
    it.context(what)
}
