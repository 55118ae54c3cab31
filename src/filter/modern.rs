//! Requests without a session that a rule concerns, by the calls of a host.

use super::Filter;
use super::response::upstream_address;
use crate::exchange::{Choice, Event, Exchange, Intent, ResponseHead, Ruled, Step};
use crate::host::{Cause, Host, Source};
use crate::http::{Head, HeaderMap, status};
use crate::message::Media;
use crate::modern::{Ruling, weight};
use crate::pods::{Ordinal, Place};
use crate::session::{Pin, SessionKey, Timestamp, User};
use crate::store::{Binding, Lookup, Wake};
use crate::telemetry::Metric;

impl Filter {
    /// What the rules say of a request. None concerns a GET or a DELETE, which the era does not have.
    pub(super) fn by_rule(
        &mut self,
        host: &impl Host,
        headers: &impl HeaderMap,
        head: &Head<'_>,
    ) -> Intent {
        let config = &self.worker.config;
        if head.method != b"POST" {
            return Intent::Sessionless;
        }
        let set = config.steering.pods().map(|pods| &pods.set);
        let (rules, scope) = (&config.affinity.rules, &config.served.scope);
        let ruling = Ruling::by(rules, scope, set, headers, |path| host.property(path));
        let Some(ruling) = ruling else { return Intent::Sessionless };
        self.asked = config.steering.asked(head);
        Intent::Ruled(ruling)
    }

    /// The pod that a request names, if it can be reached.
    pub(super) fn reach(&self, host: &impl Host, pod: Ordinal) -> Option<Choice> {
        let place = Place::Pod(pod);
        let is_there = self.worker.watch.has_stayed(host, place, Timestamp::default());
        is_there.then_some(Choice { place, is_sure: true })
    }

    /// A pod for a key; `None` if the proxy picks it.
    pub(super) fn choose(&self, host: &impl Host, key: SessionKey) -> Option<Choice> {
        let placement = &self.worker.config.steering.pods()?.placement;
        let weight = |pod| weight(&key, pod);
        let (pod, is_sure) = self.worker.watch.choose(host, placement, weight)?;
        Some(Choice { place: Place::Pod(pod), is_sure })
    }

    /// What is kept of a key. `None` if that has to be waited for.
    pub(super) fn recall(&self, host: &mut impl Host, key: SessionKey) -> Option<Lookup> {
        let Some(kept) = &self.worker.kept else { return Some(Lookup::Unknown) };
        let now = host.now();
        let found = kept.look(host, self.id, key, User::Itself, now)?;
        Some(self.unless_lost(host, found))
    }

    /// Keeps which place a key has. `None` if that has to be waited for.
    pub(super) fn keep(
        &mut self,
        host: &mut impl Host,
        key: SessionKey,
        place: Place,
    ) -> Option<Binding> {
        if self.sent_to.is_none() && matches!(place, Place::Endpoint(_)) {
            // The proxy has picked it.
            self.note_place(host, place);
        }
        let Some(kept) = &self.worker.kept else { return Some(Binding::Failed) };
        let now = host.now();
        let pin = Pin { place, incarnation: None, subject: None, bound_at: now, used_at: now };
        let binding = kept.bind(host, self.id, key, pin, now)?;
        count_kept(host, binding);
        Some(binding)
    }

    /// Drops what is kept of a key.
    pub(super) fn forget(&self, host: &mut impl Host, key: &SessionKey) {
        if let Some(kept) = &self.worker.kept {
            let now = host.now();
            kept.unbind(host, key, None, now);
        }
    }

    /// What the exchange waited for.
    pub(super) fn kept(&self, host: &mut impl Host, wake: Wake) -> Event<'static> {
        match wake {
            Wake::Looked(found) => Event::Looked(self.unless_lost(host, found)),
            Wake::Stored(binding) => {
                count_kept(host, binding);
                Event::Stored(binding)
            }
        }
    }

    pub(super) fn response_to_ruled(&self, host: &mut impl Host) -> ResponseHead {
        let response = match &*self.exchange {
            Exchange::Ruled(ruled) if ruled.may_make_task() => head_of(host),
            _ => ResponseHead::of(host.response_status()),
        };
        let is_by_address = self.worker.config.steering.is_by_address();
        let answered_by = is_by_address.then(|| upstream_address(host)).flatten();
        // The statuses that a proxy can say in a pod's place.
        let source = match is_by_address || response.status >= 500 {
            true => host.response_source(),
            false => Source::Pod,
        };
        if let (Source::Pod, Some(place)) = (source, self.sent_to) {
            let now = host.now();
            self.worker.watch.is_there(host, place, now);
        }
        let has_another = match (source, self.sent_to) {
            (Source::Proxy(Cause::NoAddress | Cause::Unreachable), Some(place)) => {
                self.has_another(host, place)
            }
            _ => false,
        };
        ResponseHead { source, answered_by, has_another, ..response }
    }

    /// Whether a request would not go to `place` once more, now that this is not there. Where the proxy picks by
    /// address, whatever it is known to find is another.
    fn has_another(&self, host: &impl Host, place: Place) -> bool {
        let pods = self.worker.config.steering.pods();
        pods.is_none_or(|pods| self.worker.watch.has_another(host, &pods.placement, place))
    }

    /// A place that cannot be reached is as good as none. A key is free for another then; a task is not, since
    /// it may be there again.
    fn unless_lost(&self, host: &mut impl Host, found: Lookup) -> Lookup {
        let Lookup::Live(pin) = found else { return found };
        if self.worker.watch.has_stayed(host, pin.place, pin.bound_at) {
            return found;
        }
        if let Exchange::Ruled(Ruled { step: Step::Recalling { key }, .. }) = &*self.exchange {
            self.forget(host, key);
        }
        Lookup::Unknown
    }
}

fn count_kept(host: &mut impl Host, binding: Binding) {
    if binding == Binding::Bound {
        host.count(Metric::Kept);
    }
}

/// The head of a response of which the body may be worth a look.
fn head_of(host: &impl Host) -> ResponseHead {
    let headers = host.response_headers();
    let (mut code, mut content_type, mut content_encoding) = (0, None, None);
    for (name, value) in headers.fields() {
        match name {
            b":status" => code = status(value),
            b"content-type" => content_type = Some(value),
            b"content-encoding" => content_encoding = Some(value),
            _ => {}
        }
    }
    let media = Media::of(content_type, content_encoding);
    ResponseHead { media, ..ResponseHead::of(code) }
}
