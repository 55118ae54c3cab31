//! Sessions whose pins lie in their ids: what is known of them beside these, which is that they ended.

use super::outcome::Lookup;
use super::{Sealer, Store};
use crate::host::Host;
use crate::pods::{Ordinal, Place};
use crate::session::{Pin, SessionKey, Timestamp};

impl Store {
    /// What opens and seals ids, if pins are kept in these.
    pub(crate) fn sealer(&self) -> Option<&Sealer> {
        self.sealer.as_ref()
    }

    /// What a sealed id that opens says of its session.
    pub(crate) fn judge(
        &self,
        host: &impl Host,
        key: &SessionKey,
        pin: Pin,
        now: Timestamp,
    ) -> Lookup {
        if now.since(pin.bound_at) >= self.lifetime.max_age {
            return Lookup::Expired;
        }
        let has_ended = self.remembered > 0 && self.near.held(host, key, now).is_some();
        match self.places.include(pin.place) && !has_ended {
            true => Lookup::Live(pin),
            false => Lookup::Unknown,
        }
    }

    /// Whether a session of the workload can live there.
    pub(crate) fn includes(&self, place: Place) -> bool {
        self.places.include(place)
    }

    /// Keeps in mind that a session has ended whose id still opens.
    pub(super) fn remember_end(
        &self,
        host: &mut impl Host,
        key: SessionKey,
        pin: Option<Pin>,
        now: Timestamp,
    ) {
        if self.remembered == 0 {
            return;
        }
        // Where it lived does not matter any more. How long its id opens does.
        let bound_at = pin.map_or(now, |pin| pin.bound_at);
        let place = Place::Pod(Ordinal(0));
        let ended = Pin { place, incarnation: None, subject: None, bound_at, used_at: now };
        // If it does not get in, the pod says so again.
        let _ = self.near.bind(host, key, ended, now);
        // What left is told nobody.
        self.near.take_left();
    }
}
