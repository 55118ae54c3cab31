//! Reads the head of a response, no more of it than matters: each look is a crossing into the proxy.

use std::net::SocketAddr;

use super::Filter;
use crate::exchange::{Exchange, Method, ResponseHead};
use crate::host::{Direction, Host, Source};
use crate::http::{Edit, HeaderMap, status};
use crate::message::Media;
use crate::pods::Place;
use crate::session::{BadId, Pin, SessionHeader};
use crate::store::sealed::MAX_SEALED;
use crate::worker::Worker;

impl Filter {
    pub(super) fn response_to_opening(&mut self, host: &mut impl Host) -> ResponseHead {
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
        let served = &self.worker.config.served;
        let is_success = (200..300).contains(&code);
        let (is_sealed, mut is_to_seal) = (served.is_sealed, false);
        let session = session.parse().map(|id| {
            let id = id?;
            if is_sealed && id.bytes().len() > MAX_SEALED {
                return Err(BadId::TooLong);
            }
            is_to_seal = is_sealed && is_success;
            Ok(served.scope.key(id))
        });
        let media = Media::of(content_type, content_encoding);
        drop(headers);
        let sealed = if is_to_seal { self.key_to_seal(host) } else { None };
        let session = session.map(|named| named.map(|key| sealed.unwrap_or(key)));
        let is_stream = matches!(*self.exchange, Exchange::OpeningStream { .. });
        let may_open = (session.is_some() || is_stream) && is_success;
        ResponseHead {
            source: if code >= 500 { host.response_source() } else { Source::Pod },
            answered_by: may_open.then(|| upstream_address(host)).flatten(),
            session,
            media,
            ..ResponseHead::of(code)
        }
    }

    pub(super) fn response_to_steered(
        &mut self,
        host: &mut impl Host,
        pin: &Pin,
        method: Method,
    ) -> ResponseHead {
        self.give_clients_id(host);
        let response = status_of(host);
        let is_by_address = self.worker.config.steering.is_by_address();
        let is_clients_fault = (400..500).contains(&response.status);
        let tells = is_by_address || is_clients_fault || response.status == 503;
        let answered_by = tells.then(|| upstream_address(host)).flatten();
        let is_elsewhere = is_by_address && answered_by.map(Place::Endpoint) != Some(pin.place);
        // The statuses that a pod, or a proxy in its place, can end something by.
        let is_telling = is_clients_fault || response.status >= 500 || method == Method::Delete;
        let source = match is_elsewhere || is_telling {
            true => host.response_source(),
            false => Source::Pod,
        };
        let mut head = ResponseHead { source, answered_by, ..response };
        if source == Source::Pod {
            self.heard(host, pin, is_clients_fault, &mut head);
        }
        head
    }

    /// A pod has answered.
    fn heard(
        &self,
        host: &mut impl Host,
        pin: &Pin,
        is_clients_fault: bool,
        head: &mut ResponseHead,
    ) {
        let Worker { watch, config, .. } = &*self.worker;
        if let (Place::Endpoint(wanted), Some(by)) = (pin.place, head.answered_by) {
            self.worker.saw_endpoint(host, Some(wanted), by, self.asked_at);
        }
        head.is_heeded = watch.heard(pin.place, self.asked_at);
        if head.is_heeded {
            watch.answered(host, pin.place, self.asked_at);
        }
        if is_clients_fault {
            head.is_doubted = watch.may_have_lost(host, pin, head.answered_by);
        }
        if head.status == 401 {
            head.wants_credentials = host.response_header("www-authenticate").is_some();
        }
        if head.status == 404 && !config.steering.is_by_address() && head.answered_by.is_some() {
            let now = host.now();
            self.worker.saw(host, pin.place, head.answered_by, now);
        }
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
    ResponseHead::of(host.response_status())
}

pub(super) fn upstream_address(host: &impl Host) -> Option<SocketAddr> {
    std::str::from_utf8(&host.upstream_address()?).ok()?.parse().ok()
}
