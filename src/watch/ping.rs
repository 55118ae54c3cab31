//! Asks a pod whether it knows a session, by an MCP `ping` (MCP 2025-11-25, Utilities, Ping) with the
//! session's id and the client's own credentials.
//!
//! A session is asked about once at a time, and a pod a few times a second; exchanges that would ask
//! more wait for what comes of the questions that are under way.

use std::net::SocketAddr;
use std::time::Duration;

use super::allowance::Allowances;
use super::judgement::{Answer, Judgement, compare, judge};
use super::{Told, Watch};
use crate::host::{CallId, CallResponse, Callout, ExchangeId, Host, Secret};
use crate::pods::Place;
use crate::session::{Pin, SessionKey, Timestamp};
use crate::sorted::Sorted;
use crate::telemetry::Metric;

const PING: &[u8] = br#"{"jsonrpc":"2.0","id":"podpin","method":"ping"}"#;

const SESSION_ID: &str = "mcp-session-id";

/// The least that is left for a second `ping`.
const LEAST: Duration = Duration::from_millis(50);

/// One question.
#[derive(Clone, Debug)]
pub struct Question {
    /// The session.
    pub key: SessionKey,
    /// Where it is pinned to.
    pub pin: Pin,
    /// The address that answered in its place.
    pub answered_by: Option<SocketAddr>,
    /// Who waits for the answer.
    pub exchange: Option<ExchangeId>,
}

/// Where a `ping` goes and what it carries.
#[derive(Clone, Debug)]
pub struct Target {
    /// The proxy's name of the cluster.
    pub cluster: String,
    /// The path of the session's requests.
    pub path: String,
    /// Their `:authority`, or the one that leads to the pod.
    pub authority: String,
    /// The client's headers, and what leads to the pod.
    pub headers: Vec<(String, Secret)>,
}

/// The questions under way.
#[derive(Debug, Default)]
pub(super) struct Pings {
    running: Sorted<CallId, Ping>,
    allowances: Allowances,
}

#[derive(Debug)]
struct Ping {
    question: Question,
    /// Exchanges of the same session.
    waiting: Vec<ExchangeId>,
    /// Exchanges of others on the same pod.
    following: Vec<ExchangeId>,
    due: Timestamp,
    target: Target,
    /// The status of the first response, if this is the second `ping`.
    compared: Option<u16>,
}

// === impl Pings ===

impl Pings {
    pub(super) fn leave(&mut self, exchange: ExchangeId) {
        for ping in self.running.values_mut() {
            ping.waiting.retain(|waiting| *waiting != exchange);
            ping.following.retain(|following| *following != exchange);
        }
    }

    fn of_session(&mut self, key: SessionKey) -> Option<&mut Ping> {
        self.running.values_mut().find(|ping| ping.question.key == key)
    }

    fn of_place(&mut self, place: Place) -> Option<&mut Ping> {
        self.running.values_mut().find(|ping| ping.question.pin.place == place)
    }
}

// === impl Ping ===

impl Ping {
    /// `answer` is about its session. Others on the same pod only learn from it that this lost some.
    fn tells(self, answer: Answer) -> Vec<(ExchangeId, Answer)> {
        let following = match answer {
            Answer::Lost | Answer::Unreachable => answer,
            Answer::Alive | Answer::Unknown => Answer::Unknown,
        };
        let waiting = self.waiting.into_iter().map(|exchange| (exchange, answer));
        waiting.chain(self.following.into_iter().map(|exchange| (exchange, following))).collect()
    }
}

// === impl Watch ===

impl Watch {
    /// Asks. `None` if the exchange has to wait.
    pub fn ask(
        &self,
        host: &mut impl Host,
        question: Question,
        target: Option<Target>,
        now: Timestamp,
    ) -> Option<Answer> {
        let place = question.pin.place;
        let Some(target) = target else { return Some(Answer::Unknown) };
        {
            let pings = &mut self.state.lock().pings;
            if let Some(ping) = pings.of_session(question.key) {
                ping.waiting.extend(question.exchange);
                return None;
            }
            if !pings.allowances.take(place, now) {
                let Some(ping) = pings.of_place(place) else { return Some(Answer::Unknown) };
                ping.following.extend(question.exchange);
                return None;
            }
        }
        let due = Timestamp(now.0.saturating_add(self.config.timeout.as_millis() as u64));
        let waiting = question.exchange.into_iter().collect();
        let following = Vec::new();
        let ping = Ping { question, waiting, following, due, target, compared: None };
        self.send(host, ping, self.config.timeout).map(|_| Answer::Unknown)
    }

    pub(super) fn on_pinged(
        &self,
        host: &mut impl Host,
        call: CallId,
        response: &CallResponse,
    ) -> Option<Told> {
        let ping = self.state.lock().pings.running.remove(call)?;
        let now = host.now();
        let answer = match (ping.compared, judge(response)) {
            (Some(status), _) => compare(status, response),
            (None, Judgement::Clear(answer)) => answer,
            (None, Judgement::Unclear) => {
                let ping = Ping { compared: Some(response.status), ..ping };
                let left = Timestamp(ping.due.0.max(now.0)).since(now).max(LEAST);
                let answers = match self.send(host, ping, left) {
                    None => Vec::new(),
                    Some(ping) => ping.tells(Answer::Unknown),
                };
                return Some(Told { answers, lost: None });
            }
        };
        let Question { key, pin, answered_by, .. } = ping.question;
        match answer {
            Answer::Alive => self.keeps(host, &pin, answered_by),
            Answer::Lost => self.restarted(host, pin.place, now),
            Answer::Unreachable | Answer::Unknown => {}
        }
        // Else an exchange of that session ends it.
        let is_untold = answer == Answer::Lost && ping.waiting.is_empty();
        let lost = is_untold.then_some((key, pin));
        Some(Told { answers: ping.tells(answer), lost })
    }

    /// Answers those whose callout the proxy has forgotten.
    pub(super) fn overdue(&self, now: Timestamp) -> Vec<(ExchangeId, Answer)> {
        /// A proxy may be late.
        const GRACE: u64 = 1000;
        let running = &mut self.state.lock().pings.running;
        let is_overdue = |ping: &Ping| now.0 > ping.due.0.saturating_add(GRACE);
        let overdue: Vec<_> =
            running.iter().filter(|(_, ping)| is_overdue(ping)).map(|(call, _)| call).collect();
        let overdue = overdue.into_iter().filter_map(|call| running.remove(call));
        overdue.flat_map(|ping| ping.tells(Answer::Unknown)).collect()
    }

    /// Gives the ping back if the proxy cannot send it.
    fn send(&self, host: &mut impl Host, ping: Ping, timeout: Duration) -> Option<Ping> {
        let Target { cluster, path, authority, headers } = ping.target.clone();
        let mut headers = headers;
        if ping.compared.is_some() {
            headers.retain(|(name, _)| name != SESSION_ID);
        }
        let body = PING.to_vec();
        let callout = Callout { cluster, method: "POST", path, authority, headers, body, timeout };
        host.count(Metric::Pinged);
        match host.call(&callout) {
            Ok(call) => {
                self.state.lock().pings.running.insert(call, ping);
                None
            }
            Err(_) => Some(ping),
        }
    }
}
