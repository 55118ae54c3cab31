//! Sessions in other layouts than the present one.
//!
//! **Carrying.** A look-up that finds a session in another layout copies it here and leaves the source:
//! who still uses the other layout, an older module say, finds it there. A session can end at any point
//! of that, by another worker's hand. So who carried one looks whether any source is still there, and
//! else takes its copy back; and who ends one removes it from the other layouts, then from its own, then
//! once more from the others, since its own is the source of those whose present layout is another.
//!
//! Copies that are not used fall behind in their time of use. So of several the one counts that was used
//! last, and one that is expired says nothing while there are others. An older module knows its own
//! layouts only: their copies are refreshed whenever the present one is.

use crate::host::SharedData;
use crate::pods::Place;
use crate::session::{Pin, SessionKey, Timestamp};

use super::entry::Format;
use super::insert::Manner;
use super::layout::Layout;
use super::{Left, Located, Lookup, Put, Table, Why};

/// A look-up gives up after it had to take its copy back so often. Each time the source had just left
/// the layout where it was, which happens once to a session that ends.
const CARRIES: usize = 8;

impl Table {
    /// Looks for a session in the other layouts. `here` is what the present one says: that it has
    /// none, or an expired one.
    pub(super) fn look_elsewhere(
        &self,
        data: &mut dyn SharedData,
        mut here: Located,
        key: &SessionKey,
        now: Timestamp,
    ) -> Lookup {
        let others = self.others(data);
        for _ in 0..CARRIES {
            let mut found = Sought::default();
            found.add(here);
            others.iter().for_each(|other| found.add(self.locate(data, *other, key)));
            let old_sizes = others.iter().filter(|other| other.format == Format::One).count();
            if found.freshest.is_none() && old_sizes > 1 {
                // Podpin 0.1.0 moves sessions, and takes them out once it has put them in: one that
                // was missed on its way is there by now.
                others.iter().for_each(|other| found.add(self.locate(data, *other, key)));
            }
            match found {
                Sought { freshest: Some(pin), .. } if self.lifetime.covers(&pin, now) => {
                    if self.carry(data, &others, (*key, pin), now) {
                        return Lookup::Live(pin);
                    }
                }
                Sought { newer: true, .. } => return Lookup::Failed,
                Sought { freshest: None, .. } => return Lookup::Unknown,
                Sought { freshest: Some(pin), .. } => {
                    self.drop_expired(data, &others, (*key, pin), now);
                    return Lookup::Expired;
                }
            }
            here = self.locate(data, self.layout, key);
        }
        Lookup::Failed
    }

    /// Has a live session in the present layout, used now. False if it has just left all others, so
    /// that it may have ended.
    fn carry(
        &self,
        data: &mut dyn SharedData,
        others: &[Layout],
        (key, pin): (SessionKey, Pin),
        now: Timestamp,
    ) -> bool {
        match self.locate(data, self.layout, &key) {
            // Another worker was quicker, or it is the freshest itself.
            Located::Here(spot) if self.lifetime.covers(&spot.entry.pin, now) => return true,
            // An expired one.
            Located::Here(spot) => self.note(data, self.layout, spot, now),
            _ => {
                let fresh = Pin { used_at: self.used_at(pin.used_at, now), ..pin };
                let put = self.insert(data, self.layout, (key, fresh), now, Manner::Carried);
                let has_source = others
                    .iter()
                    .any(|other| matches!(self.locate(data, *other, &key), Located::Here(_)));
                if put == Put::Done && !has_source {
                    let is_same = |other: &Pin| Pin { used_at: pin.used_at, ..*other } == pin;
                    self.take_out(data, self.layout, &key, is_same);
                    return false;
                }
            }
        }
        if self.lifetime.wants_refresh(pin.used_at, now) {
            self.refresh_older(data, &key, now);
        }
        true
    }

    /// Takes out what is expired everywhere, unless another worker has noted a use of it meanwhile.
    fn drop_expired(
        &self,
        data: &mut dyn SharedData,
        others: &[Layout],
        (key, pin): (SessionKey, Pin),
        now: Timestamp,
    ) {
        let is_expired = |pin: &Pin| !self.lifetime.covers(pin, now);
        let mut gone = false;
        for layout in others.iter().chain([&self.layout]) {
            gone |= self.take_out(data, *layout, &key, is_expired).is_some();
        }
        if gone {
            self.left.lock().push(Left { key, pin, why: Why::Expired });
        }
    }

    /// Takes a session out of all layouts.
    pub(super) fn forget(&self, data: &mut dyn SharedData, key: &SessionKey, why: Why) {
        let others = self.others(data);
        let mut gone = None;
        for layout in others.iter().chain([&self.layout]).chain(&others) {
            gone = self.take_out(data, *layout, key, |_| true).or(gone);
        }
        if let Some(pin) = gone {
            self.left.lock().push(Left { key: *key, pin, why });
        }
    }

    /// Shows a session that was just opened to the older module, if there is or was one, and if that may serve
    /// it: it knows of no subjects.
    pub(super) fn mirror(
        &self,
        data: &mut dyn SharedData,
        key: SessionKey,
        pin: Pin,
        now: Timestamp,
    ) {
        let (Place::Pod(_), None) = (pin.place, pin.subject) else { return };
        if let Some(newest) = self.names.layouts(data, Format::One).first() {
            // It is bound, whether or not the older module learns of it.
            self.insert(data, *newest, (key, pin), now, Manner::Mirrored);
        }
    }

    /// Notes a use where an older module looks. Adds nothing: the session may be about to end.
    pub(super) fn refresh_older(
        &self,
        data: &mut dyn SharedData,
        key: &SessionKey,
        now: Timestamp,
    ) {
        for layout in self.names.layouts(data, Format::One) {
            if let Located::Here(spot) = self.locate(data, layout, key) {
                self.note(data, layout, spot, now);
            }
        }
    }

    /// All layouts in use but the present one.
    fn others(&self, data: &dyn SharedData) -> Vec<Layout> {
        let mut others = self.names.layouts(data, Format::Two);
        others.retain(|layout| *layout != self.layout);
        others.append(&mut self.names.layouts(data, Format::One));
        others
    }
}

/// What several layouts say about a session.
#[derive(Default)]
struct Sought {
    /// The copy that was used last.
    freshest: Option<Pin>,
    newer: bool,
}

impl Sought {
    fn add(&mut self, located: Located) {
        match located {
            Located::Here(spot) => {
                let pin = spot.entry.pin;
                let is_fresher = self.freshest.is_none_or(|other| pin.used_at > other.used_at);
                if is_fresher {
                    self.freshest = Some(pin);
                }
            }
            Located::Newer => self.newer = true,
            Located::Absent => {}
        }
    }
}
