//! What the table in this proxy's memory knows of sessions, as far as it is of use here.

use log::warn;

use super::Store;
use super::outcome::{Binding, Lookup};
use super::remote::is_same;
use super::table::{Put, Why};
use crate::host::Host;
use crate::session::{Pin, SessionKey, Timestamp, User};
use crate::telemetry::Metric;

impl Store {
    /// What the near table knows of a session. A pin on a place outside of the workload, or of
    /// another mode of steering, is as good as none.
    pub(super) fn look_near(
        &self,
        host: &mut impl Host,
        key: &SessionKey,
        user: User,
        now: Timestamp,
    ) -> Lookup {
        match self.near.look_for(host, key, user, now) {
            Lookup::Live(pin) if !self.places.include(pin.place) => Lookup::Unknown,
            found => found,
        }
    }

    /// Whether the near table has a session of the workload's by this key.
    pub(super) fn holds(&self, host: &impl Host, key: &SessionKey, now: Timestamp) -> bool {
        self.near.held(host, key, now).is_some_and(|pin| self.places.include(pin.place))
    }

    pub(super) fn bind_near(
        &self,
        host: &mut impl Host,
        key: SessionKey,
        pin: Pin,
        now: Timestamp,
    ) -> Binding {
        let mut put = self.near.bind(host, key, pin, now);
        if put == Put::Taken && self.look_near(host, &key, User::Itself, now) == Lookup::Unknown {
            // By a pin that is of no use here.
            self.near.unbind(host, &key);
            put = self.near.bind(host, key, pin, now);
        }
        self.count_evicted(host);
        match put {
            Put::Done => Binding::Bound,
            Put::Taken => Binding::Taken,
            Put::Failed => Binding::Failed,
        }
    }

    /// Forgets a session here, unless another has its id by now.
    pub(super) fn forget(&self, host: &mut impl Host, key: &SessionKey, pin: &Pin, now: Timestamp) {
        if let Lookup::Live(known) = self.look_near(host, key, User::Itself, now)
            && is_same(&known, pin)
        {
            self.near.unbind(host, key);
        }
    }

    pub(super) fn count_evicted(&self, host: &mut impl Host) {
        let left = self.near.take_left();
        let evicted = left.iter().filter(|left| left.why == Why::GaveWay).count();
        (0..evicted).for_each(|_| host.count(Metric::Evicted));
        let lost = evicted > 0 && self.remote.is_none();
        if lost && !std::mem::replace(&mut *self.told_of_eviction.lock(), true) {
            warn!("live sessions give way to new ones; {} is too small", self.capacity_key);
        }
    }
}
