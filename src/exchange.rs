//! The life of one HTTP exchange, as a state machine: events in, verdicts out.
//!
//! ```text
//!            Intent::Open          Placed            2xx with an id         Stored
//! Fresh ─┬───────────────▶ Placing ──────▶ Opening ─────────────────▶ Binding ─────▶ Bound ─▶ Over
//!        │ Intent::Use             Looked
//!        ├───────────────▶ Looking ──────▶ Steered ─▶ Over
//!        └─ anything else ──────────────────────────▶ Over
//! ```
//!
//! Nothing here reads or writes: a [`Verdict`] says what is to be done, and the next [`Event`]
//! says what came of it.

use crate::decision::Decision;
use crate::message::{Media, Opens, RequestPeek, ResponsePeek};
use crate::reply::Reply;
use crate::request::{Intent, Method};
use crate::session::{BadId, SessionKey};
use crate::store::{Binding, Lookup};
use crate::workload::Ordinal;

/// Where one exchange stands.
#[derive(Clone, Debug, Default)]
pub enum Exchange {
    /// Its request has not been seen.
    #[default]
    Fresh,
    /// It may open a session and waits for a pod to be picked.
    Placing,
    /// It went to `pod` without a session id.
    Opening {
        /// Where it went.
        pod: Ordinal,
        /// Whether it is an `initialize`.
        request: RequestPeek,
    },
    /// Its session is being looked up.
    Looking {
        /// Which one.
        key: SessionKey,
        /// By which method.
        method: Method,
    },
    /// It went to the pod of its session.
    Steered {
        /// Which session.
        key: SessionKey,
        /// By which method.
        method: Method,
    },
    /// It opened a session, which is being bound.
    Binding {
        /// Which one.
        key: SessionKey,
        /// How to read the response's body.
        media: Media,
    },
    /// It opened a session, which is bound unless the response turns out to be an error.
    Bound {
        /// Which one.
        key: SessionKey,
        /// What is known of the response.
        response: ResponsePeek,
    },
    /// Nothing more depends on it.
    Over,
}

/// What happened.
#[derive(Clone, Debug)]
pub enum Event<'a> {
    /// The request's headers came.
    Asked(Intent),
    /// A pod was picked for a new session.
    Placed(Ordinal),
    /// The session was looked up.
    Looked(Lookup),
    /// The proxy cannot send the request to the pod.
    SteeringRefused,
    /// A piece of the request's body came.
    RequestBody(&'a [u8]),
    /// The response's headers came.
    ResponseHeaders(ResponseHead),
    /// The store was asked to bind the session.
    Stored(Binding),
    /// A piece of the response's body came.
    ResponseBody(&'a [u8]),
}

/// The headers of a response, as far as they matter.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ResponseHead {
    /// The HTTP status.
    pub status: u16,
    /// It came from a pod, not from the proxy itself. Asked only of a 404; else true.
    pub by_pod: bool,
    /// The session that it names.
    pub session: Option<Result<SessionKey, BadId>>,
    /// How to read its body.
    pub media: Media,
}

impl ResponseHead {
    fn succeeded(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

/// What is to be done, and what is to be said about it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Verdict {
    /// What is to be done.
    pub act: Act,
    /// The session that it is about.
    pub session: Option<SessionKey>,
    /// Its pin is to be dropped.
    pub forget: bool,
    /// The decision that was reached, if one was.
    pub decision: Option<Decision>,
}

/// What is to be done.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Act {
    /// Pick a pod; then [`Event::Placed`].
    Place,
    /// Look the session up; then [`Event::Looked`].
    Look(SessionKey),
    /// Send the request to a pod; then [`Event::SteeringRefused`] if that cannot be.
    Steer(Ordinal),
    /// Bind the session to the pod that answered; then [`Event::Stored`].
    Bind(SessionKey, Ordinal),
    /// Let the message go on as it is.
    Pass,
    /// Answer in place of the pod.
    Reply(Reply),
}

// === impl Exchange ===

impl Exchange {
    /// Takes one event. An event that the state does not wait for changes nothing and passes.
    pub fn on(self, event: Event<'_>) -> (Self, Verdict) {
        match (self, event) {
            (Self::Fresh, Event::Asked(intent)) => Self::asked(intent),
            (Self::Placing, Event::Placed(pod)) => (
                Self::Opening { pod, request: RequestPeek::default() },
                Verdict::because(Decision::Placed, Act::Steer(pod)),
            ),
            (Self::Looking { key, method }, Event::Looked(found)) => {
                Self::looked(key, method, found)
            }
            (Self::Opening { .. } | Self::Steered { .. }, Event::SteeringRefused) => {
                let reply = Act::Reply(Reply::unavailable());
                (Self::Over, Verdict::because(Decision::SteeringRefused, reply))
            }
            (Self::Opening { pod, mut request }, Event::RequestBody(bytes)) => {
                request.read(bytes);
                (Self::Opening { pod, request }, Verdict::pass())
            }
            (Self::Opening { pod, request }, Event::ResponseHeaders(response)) => {
                Self::opened(pod, request.opens(), response)
            }
            (Self::Steered { key, method }, Event::ResponseHeaders(response)) => {
                Self::answered(key, method, response)
            }
            // The proxy has answered by itself, of a time-out say, what still waited.
            (Self::Looking { .. }, Event::ResponseHeaders(_)) => (Self::Over, Verdict::pass()),
            (Self::Binding { key, media }, Event::Stored(binding)) => {
                Self::stored(key, media, binding)
            }
            (Self::Bound { key, mut response }, Event::ResponseBody(bytes)) => {
                response.read(bytes);
                match response.is_error() {
                    true => (Self::Over, Verdict::pass().to(Decision::Undone, key).forgetting()),
                    false => (Self::Bound { key, response }, Verdict::pass()),
                }
            }
            (state, _) => (state, Verdict::pass()),
        }
    }

    /// Whether the request's body is worth reading. If not, it need not leave the proxy.
    pub fn reads_request_body(&self) -> bool {
        matches!(self, Self::Opening { request, .. } if !request.is_done())
    }

    /// Whether the response's status matters. If not, it need not leave the proxy.
    pub fn reads_response_status(&self) -> bool {
        // A server without GET streams may have no route for GET at all, and the session lives.
        match self {
            Self::Steered { method, .. } => *method != Method::Other,
            Self::Looking { .. } => true,
            _ => false,
        }
    }

    /// Whether the response's body is worth reading.
    pub fn reads_response_body(&self) -> bool {
        matches!(self, Self::Bound { response, .. } if !response.is_done())
    }

    fn asked(intent: Intent) -> (Self, Verdict) {
        let pass = |decision| (Self::Over, Verdict::because(decision, Act::Pass));
        match intent {
            Intent::Elsewhere => pass(Decision::Elsewhere),
            Intent::Sessionless => pass(Decision::Sessionless),
            Intent::NoSession => pass(Decision::NoSession),
            Intent::Open => (Self::Placing, Verdict::next(Act::Place)),
            Intent::Use { key, method } => {
                (Self::Looking { key, method }, Verdict::next(Act::Look(key)))
            }
            Intent::Malformed(bad) => {
                let reply = Act::Reply(Reply::bad_session_id(bad));
                (Self::Over, Verdict::because(Decision::BadSessionId, reply))
            }
        }
    }

    fn looked(key: SessionKey, method: Method, found: Lookup) -> (Self, Verdict) {
        let (state, act, decision) = match found {
            Lookup::Live(pin) => {
                (Self::Steered { key, method }, Act::Steer(pin.ordinal), Decision::Steered)
            }
            Lookup::Expired => {
                (Self::Over, Act::Reply(Reply::session_not_found()), Decision::Expired)
            }
            Lookup::Unknown => {
                (Self::Over, Act::Reply(Reply::session_not_found()), Decision::Unknown)
            }
            Lookup::Failed => (Self::Over, Act::Reply(Reply::unavailable()), Decision::StoreFailed),
        };
        (state, Verdict::next(act).to(decision, key))
    }

    /// Only a success that names a session opens one. A failure may carry a fresh id that no
    /// session has, and so may the response to another method.
    fn opened(pod: Ordinal, opens: Opens, response: ResponseHead) -> (Self, Verdict) {
        let opened = response.succeeded() && opens != Opens::No;
        match response.session.filter(|_| opened) {
            Some(Ok(key)) => {
                let media = response.media;
                (Self::Binding { key, media }, Verdict::next(Act::Bind(key, pod)))
            }
            Some(Err(_)) => (Self::Over, Verdict::because(Decision::BadIdOfPod, Act::Pass)),
            None => (Self::Over, Verdict::because(Decision::NotBound, Act::Pass)),
        }
    }

    fn answered(key: SessionKey, method: Method, response: ResponseHead) -> (Self, Verdict) {
        let verdict = match (method, response.status) {
            // MCP 2025-11-25, Transports, Session Management 3: an ended session is answered 404.
            (Method::Post | Method::Delete, 404) if response.by_pod => {
                Verdict::next(Act::Reply(Reply::session_not_found()))
                    .to(Decision::Lost, key)
                    .forgetting()
            }
            (Method::Post | Method::Other, _) => Verdict::pass(),
            (Method::Delete, _) if response.succeeded() => {
                Verdict::pass().to(Decision::Ended, key).forgetting()
            }
            (Method::Delete, _) => Verdict::pass().to(Decision::EndRefused, key),
        };
        (Self::Over, verdict)
    }

    fn stored(key: SessionKey, media: Media, binding: Binding) -> (Self, Verdict) {
        let refuse = |decision| {
            (Self::Over, Verdict::next(Act::Reply(Reply::unavailable())).to(decision, key))
        };
        match binding {
            Binding::Bound => (
                Self::Bound { key, response: ResponsePeek::into(media) },
                Verdict::pass().to(Decision::Bound, key),
            ),
            Binding::Taken => refuse(Decision::IdTaken),
            Binding::Failed => refuse(Decision::StoreFailed),
        }
    }
}

// === impl Verdict ===

impl Verdict {
    fn next(act: Act) -> Self {
        Self { act, session: None, forget: false, decision: None }
    }

    fn pass() -> Self {
        Self::next(Act::Pass)
    }

    fn because(decision: Decision, act: Act) -> Self {
        Self { decision: Some(decision), ..Self::next(act) }
    }

    fn to(self, decision: Decision, session: SessionKey) -> Self {
        Self { decision: Some(decision), session: Some(session), ..self }
    }

    fn forgetting(self) -> Self {
        Self { forget: true, ..self }
    }
}

#[cfg(test)]
mod tests;
