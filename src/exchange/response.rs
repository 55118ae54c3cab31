//! What is known of a response from its headers.

use std::net::SocketAddr;

use crate::host::Source;
use crate::message::Media;
use crate::pods::Place;
use crate::session::{BadId, SessionKey};

/// The headers of a response, as far as they matter.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ResponseHead {
    /// The HTTP status.
    pub status: u16,
    /// Where it came from. Asked only where it matters; else [`Source::Pod`].
    pub source: Source,
    /// The address that it came from, if the proxy tells and it matters.
    pub answered_by: Option<SocketAddr>,
    /// The session that it names.
    pub session: Option<Result<SessionKey, BadId>>,
    /// The session of the request may have been lost by a restart of its pod.
    pub is_doubted: bool,
    /// It asks for credentials, by `WWW-Authenticate`.
    pub wants_credentials: bool,
    /// It is worth a look whether it says in a success that the session is lost.
    pub is_heeded: bool,
    /// Another pod may be there for the request, where the one that it was sent to is not.
    pub has_another: bool,
    /// How to read its body.
    pub media: Media,
    /// It has a body.
    pub has_body: bool,
}

impl ResponseHead {
    /// One of which nothing but this is known, and which a pod has sent.
    pub fn of(status: u16) -> Self {
        Self {
            status,
            source: Source::Pod,
            answered_by: None,
            session: None,
            is_doubted: false,
            wants_credentials: false,
            is_heeded: false,
            has_another: false,
            media: Media::Other,
            has_body: true,
        }
    }

    pub(super) fn succeeded(&self) -> bool {
        (200..300).contains(&self.status)
    }

    pub(super) fn is_clients_fault(&self) -> bool {
        (400..500).contains(&self.status)
    }

    /// Whether it came from another endpoint than the one of `place`.
    pub(super) fn strayed_from(&self, place: Place) -> bool {
        match (place, self.answered_by) {
            (Place::Endpoint(asked), Some(by)) => by != asked && self.source == Source::Pod,
            _ => false,
        }
    }
}
