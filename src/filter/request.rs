//! Reads the head of a request, and takes out what is not to go on.

use super::Filter;
use super::sealing::SESSION_ID;
use crate::exchange::Intent;
use crate::host::{Direction, Host};
use crate::http::{Edit, Head, HeaderMap};
use crate::session::SessionHeader;
use crate::telemetry::{Metric, Note};

/// What a request is to lose before it goes on.
pub(super) struct Surplus {
    /// Headers by which a client would choose an upstream.
    steering: Vec<String>,
    /// The id of a session, where nobody has seen whom that belongs to.
    session_id: bool,
}

impl Filter {
    pub(super) fn read_request(&mut self, host: &impl Host) -> (Intent, Surplus) {
        let worker = self.worker.clone();
        let config = &worker.config;
        let headers = host.request_headers();
        let head = Head::read(&headers, |name| config.steering.is_steering(name));
        let mut intent = Intent::of(&head, &config.served);
        // In an era without sessions a server may serve them all the same, to whoever has the id.
        let is_stray = intent == Intent::Sessionless && head.session_id != SessionHeader::None;
        if intent == Intent::Sessionless && !config.affinity.rules.is_empty() {
            intent = self.by_rule(host, &headers, &head);
        }
        let is_steered = matches!(intent, Intent::Open | Intent::OpenStream | Intent::Use { .. });
        if is_steered {
            self.asked = config.steering.asked(&head);
        }
        self.is_grpc = head.is_grpc;
        let steering = head.client_steering.iter().map(|name| (*name).to_owned()).collect();
        let session_id = is_stray && config.served.is_bound || config.served.may_slip_by(&head);
        if is_steered {
            if config.served.is_bound {
                let property = |path: &[String]| host.property(path);
                self.subject = config.bind_to.subject(&config.served.scope, &headers, property);
            }
            let opens = matches!(intent, Intent::Open | Intent::OpenStream);
            if opens && config.require_subject && self.subject.is_none() {
                intent = Intent::Unidentified;
            }
            if let (true, SessionHeader::One(id)) = (config.served.is_sealed, head.session_id) {
                self.presented = id.to_vec();
            }
            self.kept = Some(headers.keep());
        }
        (intent, Surplus { steering, session_id })
    }
}

impl Surplus {
    pub(super) fn strip(self, host: &mut impl Host) {
        if !self.steering.is_empty() {
            strip(host, self.steering);
        }
        if self.session_id {
            // One that a proxy refuses to remove it does not have.
            let _ = host.edit(Direction::Request, &Edit::Remove(SESSION_ID.into()));
        }
    }
}

/// Removes headers by which a client would choose an upstream. The one that an earlier instance of
/// this filter has set is none of them: that has removed the client's.
fn strip(host: &mut impl Host, steering: Vec<String>) {
    let ours = host.noted(Note::Header);
    let mut stripped = false;
    for name in steering.into_iter().filter(|name| ours.as_deref() != Some(name.as_bytes())) {
        // One that a proxy refuses to remove it does not have.
        let _ = host.edit(Direction::Request, &Edit::Remove(name.into()));
        stripped = true;
    }
    if stripped {
        host.count(Metric::Stripped);
    }
}
