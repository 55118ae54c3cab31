//! What an exchange wants done.

use std::net::SocketAddr;

use crate::http::Reply;
use crate::pods::{Ordinal, Place};
use crate::session::{Pin, SessionKey};
use crate::telemetry::Decision;

/// What is to be done, and what is to be said about it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Verdict {
    /// What is to be done with the message.
    pub act: Act,
    /// What else it causes, in this order.
    pub effects: Vec<Effect>,
    /// The decision that was reached, if one was.
    pub decision: Option<Decision>,
    /// The session that it is about.
    pub session: Option<SessionKey>,
}

/// What is to be done with the message at hand.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Act {
    /// Pick a place, or leave that to the proxy; then [`super::Event::Placed`].
    Place,
    /// Look the session up; then [`super::Event::Looked`].
    Look(SessionKey),
    /// Send the request there; then [`super::Event::SteeringRefused`] if that cannot be.
    Steer(Place),
    /// Look whether the pod can be reached; then [`super::Event::Chosen`].
    Reach(Ordinal),
    /// Look up which pod the key has; then [`super::Event::Looked`].
    Recall(SessionKey),
    /// Choose a pod for the key, or leave that to the proxy; then [`super::Event::Chosen`].
    Choose(SessionKey),
    /// Keep which pod the key has; then [`super::Event::Stored`].
    Keep {
        /// That.
        key: SessionKey,
        /// Where its requests go.
        place: Place,
    },
    /// Bind the session to where the response came from; then [`super::Event::Stored`].
    Bind {
        /// Which one.
        key: SessionKey,
        /// Where it lives.
        place: Place,
        /// The address of who opened it, if that is known.
        incarnation: Option<SocketAddr>,
    },
    /// Ask the pod whether it knows the session; then [`super::Event::Told`].
    Ask {
        /// Which one.
        key: SessionKey,
        /// Where it lives.
        pin: Pin,
        /// The address that the response came from, if that is known.
        answered_by: Option<SocketAddr>,
    },
    /// Say which session this id names; then [`super::Event::Named`].
    Name(Vec<u8>),
    /// Break the exchange off: nothing can be said to its client any more.
    Break,
    /// Let it go on as it is.
    Pass,
    /// Answer the request, which goes no further.
    Reply(Reply),
    /// Make the response's headers those of this reply. Its body follows, by
    /// [`Act::ReplaceBody`].
    ReplaceHeaders(Reply),
    /// Put this in the place of the piece of the response's body that is at hand.
    ReplaceBody(String),
    /// Drop the response, which has no body, and answer in its place with what else its headers
    /// say.
    ReplyInstead(Reply),
}

/// What a verdict causes beside the message.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Effect {
    /// The session is over: this pin of it is to be dropped, or whichever is known, but not one of
    /// another session that has its id by now.
    Unbind(SessionKey, Option<Pin>),
    /// What is kept of the key is to be dropped.
    Forget(SessionKey),
    /// The place could not be reached; whether it refuses connections.
    Unreachable(Place, bool),
    /// The place may have lost the sessions that it had.
    Restarted(Place),
    /// The pod is to be asked about the session, while the message goes on.
    AskInPassing(SessionKey, Pin),
    /// The session that the response at hand names is to be ended by a DELETE to the pod that
    /// opened it, if the proxy can send one there.
    EndOnPod(Place),
}

// === impl Verdict ===

impl Verdict {
    pub(super) fn next(act: Act) -> Self {
        Self { act, effects: Vec::new(), decision: None, session: None }
    }

    pub(super) fn pass() -> Self {
        Self::next(Act::Pass)
    }

    pub(super) fn because(decision: Decision, act: Act) -> Self {
        Self { decision: Some(decision), ..Self::next(act) }
    }

    pub(super) fn about(self, session: SessionKey, decision: Decision) -> Self {
        Self { decision: Some(decision), session: Some(session), ..self }
    }

    pub(super) fn causing(mut self, effect: Effect) -> Self {
        self.effects.push(effect);
        self
    }
}
