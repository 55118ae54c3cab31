//! The life of one HTTP exchange, as a state machine: events in, verdicts out.
//!
//! ```text
//!            Intent::Open          Placed            2xx with an id         Stored
//! Fresh ─┬───────────────▶ Placing ──────▶ Opening ─────────────────▶ Binding ─────▶ Bound ─▶ Over
//!        │ Intent::Use             Looked             a doubtful response        Told
//!        ├───────────────▶ Looking ──────▶ Steered ──┬───────────────▶ Doubting ─────▶ Over
//!        │                                           └─ a success that is looked at ─▶ Heeding ─▶ Over
//!        └─ anything else ───────────────────────────────────────────────────────────▶ Over
//! ```
//!
//! Nothing here reads or writes: a [`Verdict`] says what is to be done, and the next [`Event`]
//! says what came of it.

mod intent;
mod loss;
mod modern;
mod policy;
mod response;
mod stream;
mod verdict;

use std::net::SocketAddr;

use crate::host::{Cause, Source};
use crate::http::Reply;
use crate::message::{EndpointPeek, Opens, RequestPeek, ResponsePeek};
use crate::pods::Place;
use crate::session::{BadId, Pin, SessionKey};
use crate::store::{Binding, Lookup};
use crate::telemetry::Decision;
use crate::watch::{self, Answer};

pub use intent::{Intent, Method, Served};
pub(crate) use modern::Step;
pub use modern::{Choice, Ruled};
pub use policy::{OnUnreachable, Policy};
pub use response::ResponseHead;
pub use verdict::{Act, Effect, Verdict};

/// So much of a success is looked at for a hint that the session is lost, in bytes.
const HEEDED: usize = 1024;

/// Where one exchange stands.
#[derive(Clone, Debug, Default)]
pub enum Exchange {
    /// Its request has not been seen.
    #[default]
    Fresh,
    /// It may open a session and waits for a pod to be picked.
    Placing,
    /// It went out without a session id.
    Opening {
        /// Where to; `None` if the proxy picks.
        place: Option<Place>,
        /// Whether it is an `initialize`.
        request: RequestPeek,
    },
    /// It went out to open a stream of HTTP+SSE, or waits for a pod to be picked.
    OpeningStream {
        /// Where to; `None` if the proxy picks, or nothing is picked yet.
        place: Option<Place>,
    },
    /// It has opened such a stream, whose first event names the session.
    Announcing {
        /// Where the stream comes from.
        place: Place,
        /// The address of that, if it is known.
        incarnation: Option<SocketAddr>,
        /// What was seen of the stream.
        stream: EndpointPeek,
    },
    /// The session of its stream is being bound.
    BindingStream {
        /// Which one.
        key: SessionKey,
    },
    /// It is the stream of a session that lives as long.
    Streaming {
        /// Which one.
        key: SessionKey,
    },
    /// Its session is being looked up.
    Looking {
        /// Which one.
        key: SessionKey,
        /// By which method.
        method: Method,
    },
    /// It went where its session lives.
    Steered {
        /// Which session.
        key: SessionKey,
        /// Where that lives, and since when.
        pin: Pin,
        /// By which method.
        method: Method,
    },
    /// Its pod may not know its session any more, and is asked about it.
    Doubting {
        /// Which session.
        key: SessionKey,
        /// Where that lives, and since when.
        pin: Pin,
        /// By which method.
        method: Method,
        /// The response that waits.
        response: ResponseHead,
    },
    /// Its response succeeded, but may say all the same that the session is not known.
    Heeding {
        /// Which session.
        key: SessionKey,
        /// Where that lives, and since when.
        pin: Pin,
        /// How the response begins.
        seen: Vec<u8>,
    },
    /// It opened a session, which is being bound.
    Binding {
        /// Which one.
        key: SessionKey,
        /// Where it lives.
        place: Place,
        /// The response that waits.
        response: ResponseHead,
    },
    /// It opened a session, which is bound unless the response turns out to be an error.
    Bound {
        /// Which one.
        key: SessionKey,
        /// What is known of the response.
        response: ResponsePeek,
    },
    /// It has no session, but a rule concerns it.
    Ruled(Ruled),
    /// It was to be answered, but goes to a pod as a request that means nothing, so that what the pod says
    /// can be replaced.
    Veiled {
        /// What the client gets.
        reply: Reply,
    },
    /// Its response's headers were replaced, and what comes of its body is dropped.
    Replacing {
        /// What the client gets in its place, as soon as there is a piece to replace.
        body: Option<String>,
    },
    /// Nothing more depends on it.
    Over,
}

/// What happened.
#[derive(Clone, Debug)]
pub enum Event<'a> {
    /// The request's headers came.
    Asked(Intent),
    /// A place was picked for a new session, or the proxy is to pick one.
    Placed(Option<Place>),
    /// A pod was chosen for a key, or the proxy is to pick one.
    Chosen(Option<Choice>),
    /// The session was looked up.
    Looked(Lookup),
    /// The proxy cannot send the request to the pod.
    SteeringRefused,
    /// A piece of the request's body came.
    RequestBody(&'a [u8]),
    /// The response's headers came.
    ResponseHeaders(ResponseHead),
    /// The pod was asked whether it knows the session.
    Told(Answer),
    /// The session that a stream names.
    Named(Result<SessionKey, BadId>),
    /// The store was asked to bind the session.
    Stored(Binding),
    /// A piece of the response's body came.
    ResponseBody(&'a [u8]),
}

// === impl Exchange ===

impl Exchange {
    /// Takes one event. An event that the state does not wait for changes nothing and passes.
    pub fn on(self, event: Event<'_>, policy: &Policy) -> (Self, Verdict) {
        match (self, event) {
            (Self::Fresh, Event::Asked(intent)) => Self::asked(intent),
            (Self::Ruled(ruled), event) => ruled.on(event),
            (Self::Placing, Event::Placed(place)) => (
                Self::Opening { place, request: RequestPeek::default() },
                Verdict::because(Decision::Placed, place.map_or(Act::Pass, Act::Steer)),
            ),
            (Self::OpeningStream { .. }, Event::Placed(place)) => (
                Self::OpeningStream { place },
                Verdict::because(Decision::Placed, place.map_or(Act::Pass, Act::Steer)),
            ),
            (Self::OpeningStream { place }, Event::ResponseHeaders(response)) => {
                Self::stream_opened(place, response)
            }
            (state @ Self::Announcing { .. }, Event::ResponseBody(bytes)) => state.announced(bytes),
            (Self::Announcing { place, incarnation, .. }, Event::Named(named)) => {
                Self::named(place, incarnation, named)
            }
            (Self::BindingStream { key }, Event::Stored(binding)) => {
                Self::stream_stored(key, binding)
            }
            (Self::Looking { key, method }, Event::Looked(found)) => {
                Self::looked(key, method, found)
            }
            (
                Self::Opening { .. } | Self::OpeningStream { .. } | Self::Steered { .. },
                Event::SteeringRefused,
            ) => {
                let reply = Act::Reply(Reply::unavailable());
                (Self::Over, Verdict::because(Decision::SteeringRefused, reply))
            }
            (Self::Opening { place, mut request }, Event::RequestBody(bytes)) => {
                request.read(bytes);
                (Self::Opening { place, request }, Verdict::pass())
            }
            (Self::Opening { place, request }, Event::ResponseHeaders(response)) => {
                Self::opened(place, request.opens(), response)
            }
            (Self::Steered { key, pin, method }, Event::ResponseHeaders(response)) => {
                Self::answered(key, pin, method, response, policy)
            }
            (Self::Veiled { reply }, Event::ResponseHeaders(response)) => {
                Self::replaced(response, reply)
            }
            // The proxy has answered by itself, of a time-out say, what still waited.
            (Self::Looking { .. }, Event::ResponseHeaders(_)) => (Self::Over, Verdict::pass()),
            (Self::Doubting { key, pin, method, response }, Event::Told(answer)) => {
                Self::told(key, pin, method, response, answer, policy)
            }
            (Self::Heeding { key, pin, mut seen }, Event::ResponseBody(bytes)) => {
                seen.extend_from_slice(bytes);
                match (watch::hints_at_loss(&seen), seen.len() < HEEDED) {
                    (true, _) => {
                        (Self::Over, Verdict::pass().causing(Effect::AskInPassing(key, pin)))
                    }
                    (false, true) => (Self::Heeding { key, pin, seen }, Verdict::pass()),
                    (false, false) => (Self::Over, Verdict::pass()),
                }
            }
            (Self::Binding { key, place, response }, Event::Stored(binding)) => {
                Self::stored(key, place, response, binding)
            }
            (Self::Replacing { body }, Event::ResponseBody(_)) => {
                let replacement = Act::ReplaceBody(body.unwrap_or_default());
                (Self::Replacing { body: None }, Verdict::next(replacement))
            }
            (Self::Bound { key, mut response }, Event::ResponseBody(bytes)) => {
                response.read(bytes);
                match response.is_error() {
                    true => {
                        let undone = Verdict::pass().about(key, Decision::Undone);
                        (Self::Over, undone.causing(Effect::Unbind(key, None)))
                    }
                    false => (Self::Bound { key, response }, Verdict::pass()),
                }
            }
            (state, _) => (state, Verdict::pass()),
        }
    }

    /// How much of the next piece of the request's body is worth reading, in bytes. The rest need
    /// not leave the proxy.
    pub fn wants_of_request_body(&self) -> usize {
        match self {
            Self::Opening { request, .. } => request.wants(),
            _ => 0,
        }
    }

    /// Whether the pod may still be sent a request about the session.
    pub fn may_ask_pod(&self) -> bool {
        matches!(self, Self::Heeding { .. } | Self::Doubting { .. } | Self::Binding { .. })
    }

    /// Whether the response's head matters. If not, it need not leave the proxy.
    pub fn reads_response_head(&self) -> bool {
        matches!(
            self,
            Self::Opening { .. }
                | Self::OpeningStream { .. }
                | Self::Steered { .. }
                | Self::Looking { .. }
                | Self::Ruled(_)
                | Self::Veiled { .. }
        )
    }

    /// How much of the next piece of the response's body is worth reading, in bytes.
    pub fn wants_of_response_body(&self) -> usize {
        match self {
            Self::Bound { response, .. } => response.wants(),
            Self::Announcing { stream, .. } => stream.wants(),
            Self::Ruled(ruled) => ruled.wants_of_response_body(),
            Self::Heeding { seen, .. } => HEEDED.saturating_sub(seen.len()),
            _ => 0,
        }
    }

    /// Whether a piece of the response's body waits. A proxy lets that go on as soon as a later piece
    /// does.
    pub fn holds_response_body(&self) -> bool {
        match self {
            Self::BindingStream { .. } => true,
            Self::Ruled(ruled) => ruled.holds_response_body(),
            _ => false,
        }
    }

    /// Whether the pieces of the response's body are to be replaced, the last of them above all.
    pub fn replaces_response_body(&self) -> bool {
        matches!(self, Self::Replacing { .. })
    }

    fn asked(intent: Intent) -> (Self, Verdict) {
        let pass = |decision| (Self::Over, Verdict::because(decision, Act::Pass));
        match intent {
            Intent::Elsewhere => pass(Decision::Elsewhere),
            Intent::Sessionless => pass(Decision::Sessionless),
            Intent::NoSession => pass(Decision::NoSession),
            Intent::Ruled(ruling) => Self::ruled(ruling),
            Intent::Open => (Self::Placing, Verdict::next(Act::Place)),
            Intent::OpenStream => (Self::OpeningStream { place: None }, Verdict::next(Act::Place)),
            Intent::Use { key, method } => {
                (Self::Looking { key, method }, Verdict::next(Act::Look(key)))
            }
            Intent::Refused => {
                (Self::Over, Verdict::because(Decision::EraRefused, Act::Reply(Reply::fall_back())))
            }
            Intent::Unidentified => {
                let reply = Act::Reply(Reply::no_subject());
                (Self::Over, Verdict::because(Decision::NoSubject, reply))
            }
            Intent::Nameless => {
                let reply = Act::Reply(Reply::session_not_found());
                (Self::Over, Verdict::because(Decision::Unknown, reply))
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
                (Self::Steered { key, pin, method }, Act::Steer(pin.place), Decision::Steered)
            }
            Lookup::Expired => {
                (Self::Over, Act::Reply(Reply::session_not_found()), Decision::Expired)
            }
            Lookup::Unknown => {
                (Self::Over, Act::Reply(Reply::session_not_found()), Decision::Unknown)
            }
            // Like one that is not known: whoever has somebody's id is not to learn that it is good.
            Lookup::Strangers => {
                (Self::Over, Act::Reply(Reply::session_not_found()), Decision::Stranger)
            }
            Lookup::Failed => (Self::Over, Act::Reply(Reply::unavailable()), Decision::StoreFailed),
        };
        (state, Verdict::next(act).about(key, decision))
    }

    /// Only a success that names a session opens one. A failure may carry a fresh id that no
    /// session has, and so may the response to another method.
    fn opened(place: Option<Place>, opens: Opens, response: ResponseHead) -> (Self, Verdict) {
        if let Some(verdict) = Self::not_opened(place, &response) {
            return (Self::Over, verdict);
        }
        let incarnation = response.answered_by;
        let place = place.or(incarnation.map(Place::Endpoint));
        let opened = response.succeeded() && opens != Opens::No;
        match response.session.filter(|_| opened) {
            Some(Ok(key)) => match place {
                Some(place) => {
                    let bind = Verdict::next(Act::Bind { key, place, incarnation });
                    (Self::Binding { key, place, response }, bind)
                }
                None => {
                    let (state, verdict) = Self::replaced(response, Reply::unavailable());
                    (state, verdict.about(key, Decision::Outside))
                }
            },
            Some(Err(_)) => (Self::Over, Verdict::because(Decision::BadIdOfPod, Act::Pass)),
            None => (Self::Over, Verdict::because(Decision::NotBound, Act::Pass)),
        }
    }

    /// If the pod could not be reached.
    fn not_opened(place: Option<Place>, response: &ResponseHead) -> Option<Verdict> {
        let Source::Proxy(cause @ (Cause::NoAddress | Cause::Unreachable | Cause::Reset)) =
            response.source
        else {
            return None;
        };
        let mut verdict = Verdict::because(Decision::NotBound, Act::Pass);
        let refuses = cause == Cause::Unreachable;
        verdict.effects.extend(place.map(|place| Effect::Unreachable(place, refuses)));
        Some(verdict)
    }

    fn stored(
        key: SessionKey,
        place: Place,
        response: ResponseHead,
        binding: Binding,
    ) -> (Self, Verdict) {
        let decision = match binding {
            Binding::Bound => {
                let response = ResponsePeek::into(response.media);
                let bound = Verdict::pass().about(key, Decision::Bound);
                return (Self::Bound { key, response }, bound);
            }
            Binding::Taken => Decision::IdTaken,
            Binding::Outside => Decision::Outside,
            Binding::Failed => Decision::StoreFailed,
        };
        // The client will never learn of the session, so nobody would ever end it.
        let (state, mut verdict) = Self::replaced(response, Reply::unavailable());
        verdict.effects.extend((decision != Decision::Outside).then_some(Effect::EndOnPod(place)));
        (state, verdict.about(key, decision))
    }

    /// Puts a reply in the place of a response, so that other filters see it pass as any other. One
    /// without a body has no place for another's.
    fn replaced(response: ResponseHead, reply: Reply) -> (Self, Verdict) {
        match response.has_body {
            true => {
                let body = Some(reply.body.clone());
                (Self::Replacing { body }, Verdict::next(Act::ReplaceHeaders(reply)))
            }
            false => (Self::Over, Verdict::next(Act::ReplyInstead(reply))),
        }
    }
}

#[cfg(test)]
mod tests;
