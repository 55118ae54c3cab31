//! What an exchange wants done, by the calls of a host.

use std::net::SocketAddr;

use super::Filter;
use super::sealing::SESSION_ID;
use crate::exchange::Exchange;
use crate::host::{Direction, ExchangeId, Host, Refused};
use crate::http::Edit;
use crate::pods::Place;
use crate::session::{Pin, SessionKey, User};
use crate::store::{Binding, Lookup};
use crate::telemetry::{Metric, Note};
use crate::watch::{Answer, Question};

impl Filter {
    pub(super) fn place(&mut self, host: &mut impl Host) -> Option<Place> {
        let pods = self.worker.config.steering.pods()?;
        let id = self.id;
        let pod = self.worker.watch.pick(host, &pods.placement, |host| random(host, id))?;
        self.worker.watch.begin_opening(pod);
        self.opening = Some(pod);
        Some(Place::Pod(pod))
    }

    pub(super) fn look(&mut self, host: &mut impl Host, key: SessionKey) -> Option<Lookup> {
        self.asked_at = host.now();
        let user = User::Client(self.subject);
        let worker = self.worker.clone();
        let found = match worker.store.sealer() {
            Some(sealer) => Some(self.unseal(host, sealer, key)),
            None => self.worker.store.look(host, self.id, key, user, self.asked_at),
        };
        found.map(|found| found.for_user(user))
    }

    pub(super) fn bind(
        &mut self,
        host: &mut impl Host,
        key: SessionKey,
        place: Place,
        incarnation: Option<SocketAddr>,
    ) -> Option<Binding> {
        let now = host.now();
        self.worker.saw(host, place, incarnation, now);
        if let Place::Endpoint(by) = place {
            self.worker.saw_endpoint(host, None, by, now);
        }
        self.worker.watch.answered(host, place, now);
        if self.sent_to.is_none() {
            // The proxy has picked it.
            self.note_place(host, place);
        }
        let subject = self.subject;
        let pin = Pin { place, incarnation, subject, bound_at: now, used_at: now };
        match self.worker.store.sealer() {
            Some(sealer) => Some(self.seal(host, sealer, pin)),
            None => self.worker.store.bind(host, self.id, key, pin, now),
        }
    }

    pub(super) fn steer(&mut self, host: &mut impl Host, place: Place) -> Result<(), Refused> {
        let steering = &self.worker.config.steering;
        for edit in steering.edits(&mut self.asked, place).ok_or(Refused)? {
            host.edit(Direction::Request, &edit)?;
        }
        if let Some(id) = &self.sealed_id {
            host.edit(Direction::Request, &Edit::Set(SESSION_ID.into(), id.0.to_vec()))?;
        }
        self.note_place(host, place);
        let steering = &self.worker.config.steering;
        if let Some(name) = steering.header() {
            host.annotate(Note::Header, name);
        }
        let idles_out = !self.worker.config.served.is_sealed;
        if let (true, Exchange::Steered { key, .. }) = (idles_out, &*self.exchange) {
            self.worker.begin_use(self.id, *key);
        }
        Ok(())
    }

    /// Makes a request one that means nothing to any pod: of no session, on a path that is not served.
    pub(super) fn veil(&self, host: &mut impl Host) {
        let path = self.worker.config.served.paths.none_of_these();
        for edit in [
            Edit::Remove("mcp-session-id".into()),
            Edit::Set(":path".into(), path.into()),
            Edit::Set("content-type".into(), "application/json".into()),
        ] {
            // What a proxy refuses to change a pod refuses to serve.
            let _ = host.edit(Direction::Request, &edit);
        }
    }

    pub(super) fn ask(&self, host: &mut impl Host, question: Question) -> Option<Answer> {
        let now = host.now();
        let target = self.ping_target(host, &question);
        self.worker.watch.ask(host, question, target, now)
    }

    /// It is known by now whether the request has opened a session.
    pub(super) fn end_opening(&mut self) {
        if let Some(pod) = self.opening.take() {
            self.worker.watch.end_opening(pod);
        }
    }

    pub(super) fn note_place(&mut self, host: &mut impl Host, place: Place) {
        self.sent_to = Some(place);
        host.annotate(Note::Pod, &self.worker.config.steering.name(place));
    }
}

/// 64 random bits.
fn random(host: &mut impl Host, id: ExchangeId) -> u64 {
    host.random().unwrap_or_else(|| {
        // Still spread over the pods, only easier to foresee.
        host.count(Metric::RandomMissing);
        host.now().0.wrapping_add(id.0).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    })
}
