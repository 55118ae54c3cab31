//! What the response to a request of a session says about that session: whether its pod still knows
//! it, and whether it can be reached at all.
//!
//! Servers say in many ways that they do not know a session, and clients start a new one upon one of
//! them only. So a response that may mean this is held back until the pod was asked.

use crate::host::{Cause, Source};
use crate::http::Reply;
use crate::pods::Place;
use crate::session::{Pin, SessionKey};
use crate::telemetry::Decision;
use crate::watch::Answer;

use super::{Act, Effect, Exchange, Method, OnUnreachable, Policy, ResponseHead, Verdict};

impl Exchange {
    pub(super) fn answered(
        key: SessionKey,
        pin: Pin,
        method: Method,
        response: ResponseHead,
        policy: &Policy,
    ) -> (Self, Verdict) {
        if let Source::Proxy(Cause::NoAddress | Cause::Unreachable) = response.source {
            return Self::unreachable(key, pin, response, policy);
        }
        if response.strayed_from(pin.place) {
            let (state, verdict) = match response.is_clients_fault() {
                true => Self::replaced(response, Reply::session_not_found()),
                false => (Self::Over, Verdict::pass()),
            };
            return (state, verdict.about(key, Decision::Strayed));
        }
        // MCP 2025-11-25, Transports, Session Management 3: an ended session is answered 404. To a GET it
        // may also mean that the server has no streams.
        let is_of_pod = response.source == Source::Pod;
        if is_of_pod && response.status == 404 && matches!(method, Method::Post | Method::Delete) {
            return Self::lost(key, pin, response);
        }
        if is_doubtful(&response) {
            let ask = Act::Ask { key, pin, answered_by: response.answered_by };
            return (Self::Doubting { key, pin, method, response }, Verdict::next(ask));
        }
        if response.is_heeded && response.succeeded() && method == Method::Post {
            return (Self::Heeding { key, pin, seen: Vec::new() }, Verdict::pass());
        }
        Self::passed(key, pin, method, response)
    }

    /// The pod was asked whether it knows the session.
    pub(super) fn told(
        key: SessionKey,
        pin: Pin,
        method: Method,
        response: ResponseHead,
        answer: Answer,
        policy: &Policy,
    ) -> (Self, Verdict) {
        let is_reset = response.source == Source::Proxy(Cause::Reset);
        match answer {
            Answer::Lost => Self::lost(key, pin, response),
            Answer::Unreachable => Self::unreachable(key, pin, response, policy),
            Answer::Unknown if is_reset => Self::unreachable(key, pin, response, policy),
            Answer::Unknown if response.is_doubted && !is_about_request(response.status) => {
                Self::lost(key, pin, response)
            }
            Answer::Alive | Answer::Unknown => Self::passed(key, pin, method, response),
        }
    }

    /// The response goes on as it is.
    fn passed(
        key: SessionKey,
        pin: Pin,
        method: Method,
        response: ResponseHead,
    ) -> (Self, Verdict) {
        let verdict = match method {
            Method::Post | Method::Other => Verdict::pass(),
            Method::Delete if response.succeeded() && response.source == Source::Pod => {
                let unbind = Effect::Unbind(key, Some(pin));
                Verdict::pass().about(key, Decision::Ended).causing(unbind)
            }
            Method::Delete => Verdict::pass().about(key, Decision::EndRefused),
        };
        (Self::Over, verdict)
    }

    /// The pod does not know the session.
    fn lost(key: SessionKey, pin: Pin, response: ResponseHead) -> (Self, Verdict) {
        let (state, verdict) = Self::replaced(response, Reply::session_not_found());
        let unbind = Effect::Unbind(key, Some(pin));
        let lost = verdict.about(key, Decision::Lost).causing(unbind);
        (state, lost.causing(Effect::Restarted(pin.place)))
    }

    /// The pod cannot be reached. It may come back with its sessions, so the pin stays.
    fn unreachable(
        key: SessionKey,
        pin: Pin,
        response: ResponseHead,
        policy: &Policy,
    ) -> (Self, Verdict) {
        // An endpoint that has left its cluster is answered 404 (Envoy,
        // status_on_strict_destination_not_found). It may have been away for a moment only.
        let is_gone = matches!(pin.place, Place::Endpoint(_)) && response.status == 404;
        let reply = match policy.on_unreachable {
            OnUnreachable::Unavailable if !is_gone => Reply::unavailable(),
            OnUnreachable::NotFound | OnUnreachable::Unavailable => Reply::session_not_found(),
        };
        let (state, verdict) = Self::replaced(response, reply);
        let refuses = !matches!(response.source, Source::Proxy(Cause::NoAddress | Cause::Reset));
        let unreachable = Effect::Unreachable(pin.place, refuses);
        (state, verdict.about(key, Decision::Unreachable).causing(unreachable))
    }
}

/// Whether the pod is to be asked about the session before the response goes on.
fn is_doubtful(response: &ResponseHead) -> bool {
    match (response.source, response.status) {
        // The pod may have ended, or only the connection.
        (Source::Proxy(Cause::Reset), _) => true,
        (Source::Proxy(_), _) => false,
        // MCP 2025-11-25, Authorization, Error Handling: who is not authorized is told how to be.
        (Source::Pod, 401) if response.wants_credentials => false,
        // What servers answer to a session that they do not know.
        (Source::Pod, 400 | 401 | 404 | 410 | 503) => true,
        (Source::Pod, _) => response.is_doubted && response.is_clients_fault(),
    }
}

/// Whether a status speaks of the request only, whatever became of its session (RFC 9110 section 15.5,
/// RFC 6585).
fn is_about_request(status: u16) -> bool {
    matches!(status, 402 | 405..=409 | 411..=415 | 429 | 431)
}
