//! Reads the head of a response, no more of it than matters: each look is a crossing into the proxy.

use std::net::SocketAddr;

use super::Filter;
use crate::exchange::{Method, ResponseHead};
use crate::host::{Direction, Host, Source};
use crate::http::{Edit, HeaderMap, SessionHeader, status};
use crate::message::Media;
use crate::pods::Place;

impl Filter {
    pub(super) fn response_to_opening(&self, host: &impl Host) -> ResponseHead {
        let headers = host.response_headers();
        let (mut code, mut session) = (0, SessionHeader::None);
        let (mut content_type, mut content_encoding) = (None, None);
        for (name, value) in headers.fields() {
            match name {
                b":status" => code = status(value),
                b"mcp-session-id" => session.add(value),
                b"content-type" => content_type = Some(value),
                b"content-encoding" => content_encoding = Some(value),
                _ => {}
            }
        }
        let scope = &self.worker.config.scope;
        let session = session.parse().map(|id| id.map(|id| scope.key(id)));
        let may_open = session.is_some() && (200..300).contains(&code);
        ResponseHead {
            status: code,
            source: Source::Pod,
            answered_by: may_open.then(|| upstream_address(host)).flatten(),
            session,
            media: Media::of(content_type, content_encoding),
            has_body: true,
        }
    }

    pub(super) fn response_to_steered(
        &self,
        host: &mut impl Host,
        place: Place,
        method: Method,
    ) -> ResponseHead {
        let response = status_of(host);
        let is_by_address = self.worker.config.steering.is_by_address();
        let tells = is_by_address || response.status == 404;
        let answered_by = tells.then(|| upstream_address(host)).flatten();
        let is_elsewhere = is_by_address && answered_by.map(Place::Endpoint) != Some(place);
        // The statuses that a pod, or a proxy in its place, can end something by.
        let is_telling = matches!(response.status, 404 | 500..) || method == Method::Delete;
        let source = match is_elsewhere || is_telling {
            true => host.response_source(),
            false => Source::Pod,
        };
        if source == Source::Pod && !is_by_address && answered_by.is_some() {
            let now = host.now();
            self.worker.saw(host, place, answered_by, now);
        }
        ResponseHead { source, answered_by, ..response }
    }

    /// Takes the header out of a response by which the proxy says where it came from.
    pub(super) fn hide_endpoint(&self, host: &mut impl Host) {
        if let Some(name) = self.worker.config.steering.response_header() {
            // One that a proxy refuses to remove it does not have.
            let _ = host.edit(Direction::Response, &Edit::Remove(name.to_owned().into()));
        }
    }
}

/// Of a response whose other headers do not matter.
pub(super) fn status_of(host: &impl Host) -> ResponseHead {
    ResponseHead {
        status: host.response_status(),
        source: Source::Pod,
        answered_by: None,
        session: None,
        media: Media::Other,
        has_body: true,
    }
}

fn upstream_address(host: &impl Host) -> Option<SocketAddr> {
    std::str::from_utf8(&host.upstream_address()?).ok()?.parse().ok()
}
