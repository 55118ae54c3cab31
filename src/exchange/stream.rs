//! Sessions of HTTP+SSE (MCP 2024-11-05, Transports): one is a stream, whose first event tells the client
//! where to send messages, and it ends with the stream.

use std::net::SocketAddr;

use crate::message::{Media, session_in};
use crate::pods::Place;
use crate::session::{BadId, SessionHeader, SessionKey};
use crate::store::Binding;
use crate::telemetry::Decision;

use super::{Act, EndpointPeek, Exchange, ResponseHead, Verdict};

impl Exchange {
    pub(super) fn stream_opened(place: Option<Place>, response: ResponseHead) -> (Self, Verdict) {
        if let Some(verdict) = Self::not_opened(place, &response) {
            return (Self::Over, verdict);
        }
        let incarnation = response.answered_by;
        let is_stream = response.succeeded() && response.media == Media::EventStream;
        match place.or(incarnation.map(Place::Endpoint)).filter(|_| is_stream) {
            Some(place) => {
                let stream = EndpointPeek::default();
                (Self::Announcing { place, incarnation, stream }, Verdict::pass())
            }
            None if is_stream => (Self::Over, Verdict::because(Decision::Outside, Act::Break)),
            None => (Self::Over, Verdict::because(Decision::NotBound, Act::Pass)),
        }
    }

    /// A piece of the stream came.
    pub(super) fn announced(mut self, bytes: &[u8]) -> (Self, Verdict) {
        let Self::Announcing { stream, .. } = &mut self else { return (self, Verdict::pass()) };
        let uri = stream.read(bytes);
        match uri.as_deref().map(session_in) {
            Some(SessionHeader::One(id)) => {
                let name = Act::Name(id.to_vec());
                (self, Verdict::next(name))
            }
            Some(SessionHeader::Many) => {
                (Self::Over, Verdict::because(Decision::BadIdOfPod, Act::Pass))
            }
            Some(SessionHeader::None) => {
                (Self::Over, Verdict::because(Decision::NotBound, Act::Pass))
            }
            None if stream.wants() == 0 => {
                (Self::Over, Verdict::because(Decision::NotBound, Act::Pass))
            }
            None => (self, Verdict::pass()),
        }
    }

    pub(super) fn named(
        place: Place,
        incarnation: Option<SocketAddr>,
        named: Result<SessionKey, BadId>,
    ) -> (Self, Verdict) {
        match named {
            Ok(key) => {
                let bind = Act::Bind { key, place, incarnation };
                (Self::BindingStream { key }, Verdict::next(bind))
            }
            Err(_) => (Self::Over, Verdict::because(Decision::BadIdOfPod, Act::Pass)),
        }
    }

    /// The stream's headers are out, so if its session cannot be bound, it is broken off: the client
    /// connects once more.
    pub(super) fn stream_stored(key: SessionKey, binding: Binding) -> (Self, Verdict) {
        let decision = match binding {
            Binding::Bound => {
                let bound = Verdict::pass().about(key, Decision::Bound);
                return (Self::Streaming { key }, bound);
            }
            Binding::Taken => Decision::IdTaken,
            Binding::Outside => Decision::Outside,
            Binding::Failed => Decision::StoreFailed,
        };
        (Self::Over, Verdict::next(Act::Break).about(key, decision))
    }
}
