//! What is known of each pod, shared by all threads of a proxy.
//!
//! | key | holds |
//! |---|---|
//! | `podpin/<scope>/pods/1/<n>` | page `n`: the records of 64 ordinals, or of the endpoints that fall to it |
//! | `podpin/<scope>/pods/1/changes` | a number that goes up with each change of which pods are out, as `u32` |
//!
//! `<scope>` is [`Scope::own_key`], and 1 the number of the format. Nothing in it is worth keeping for
//! longer than the proxy lives: what is lost is found out anew.

mod known;
mod page;

use std::ops::Range;

use super::{Ordinal, Place};
use crate::host::{SharedData, Version};
use crate::session::{Scope, Timestamp};
use crate::sorted::Sorted;

pub use known::{Ejection, Known};
use page::Page;

/// How many ordinals a page is for, and how many pages there are for endpoints.
const PER_PAGE: u32 = 64;

/// A change gives up after this many others were quicker, each of which made progress.
const ATTEMPTS: usize = 1000;

/// The records of one workload's pods.
#[derive(Debug)]
pub struct Ledger {
    prefix: String,
}

impl Ledger {
    /// That of the workload `scope`.
    pub fn new(scope: &Scope) -> Self {
        Self { prefix: format!("podpin/{}/pods/1/", scope.own_key()) }
    }

    /// What is known of a place.
    pub fn known(&self, data: &dyn SharedData, place: Place) -> Known {
        let page = data.shared(&self.page_of(place));
        page.and_then(|(bytes, _)| Page::find(&bytes, place)).unwrap_or_default()
    }

    /// Changes what is known of a place, unless `change` says that nothing is to be written. Says what
    /// is known then.
    pub fn update(
        &self,
        data: &mut dyn SharedData,
        place: Place,
        change: &mut dyn FnMut(&mut Known) -> bool,
    ) -> Known {
        let name = self.page_of(place);
        let mut known = Known::default();
        for _ in 0..ATTEMPTS {
            let read = data.shared(&name);
            let bytes = read.as_ref().map(|(bytes, _)| bytes.as_slice()).unwrap_or_default();
            let Some(mut page) = Page::decode(bytes) else { return Known::default() };
            known = page.get(place).unwrap_or_default();
            let was_out = known.is_out();
            if !change(&mut known) {
                return known;
            }
            page.put(place, known.clone());
            let version = read.as_ref().map(|(_, version)| *version);
            if data.replace(&name, &page.encode(), version).is_ok() {
                if known.is_out() != was_out {
                    self.changed(data);
                }
                return known;
            }
        }
        known
    }

    /// Takes out those of `ordinals` of which nothing is known yet. `cluster` names for each the one by
    /// which it is reached.
    pub fn doubt_unknown(
        &self,
        data: &mut dyn SharedData,
        ordinals: Range<u32>,
        now: Timestamp,
        cluster: &dyn Fn(Ordinal) -> String,
    ) {
        let mut has_changed = false;
        let mut first = ordinals.start;
        while first < ordinals.end {
            let number = first / PER_PAGE;
            let end = (number + 1).saturating_mul(PER_PAGE).min(ordinals.end);
            let ordinals = first..end;
            first = end;
            for _ in 0..ATTEMPTS {
                let read = data.shared(&self.page(number));
                let bytes = read.as_ref().map(|(bytes, _)| bytes.as_slice()).unwrap_or_default();
                let Some(mut page) = Page::decode(bytes) else { break };
                let mut ejects = false;
                for ordinal in ordinals.clone().map(Ordinal) {
                    let place = Place::Pod(ordinal);
                    if page.get(place).is_none() {
                        let mut known = Known::default();
                        known.doubt(now, cluster(ordinal));
                        ejects = true;
                        page.put(place, known);
                    }
                }
                let version = read.as_ref().map(|(_, version)| *version);
                if !ejects {
                    break;
                }
                if data.replace(&self.page(number), &page.encode(), version).is_ok() {
                    has_changed = true;
                    break;
                }
            }
        }
        if has_changed {
            self.changed(data);
        }
    }

    /// The pods of a StatefulSet that are out, in the order of their ordinals.
    pub(crate) fn out(
        &self,
        data: &dyn SharedData,
        ordinals: Range<u32>,
    ) -> Sorted<Ordinal, Ejection> {
        let pages = ordinals.start / PER_PAGE..ordinals.end.div_ceil(PER_PAGE);
        let pages = pages.filter_map(|page| data.shared(&self.page(page)));
        let records = pages.filter_map(|(bytes, _)| Page::decode(&bytes)).flat_map(Page::into_pods);
        records
            .filter(|(ordinal, known)| ordinals.contains(&ordinal.0) && known.is_out())
            .filter_map(|(ordinal, known)| Some((ordinal, known.ejection?)))
            .collect()
    }

    /// What is known of each pod, in the order of their ordinals.
    /// Those that are a few beyond `ordinals` are among them: a StatefulSet may have become smaller.
    pub(crate) fn all(
        &self,
        data: &dyn SharedData,
        ordinals: Range<u32>,
    ) -> Sorted<Ordinal, Known> {
        let pages = ordinals.start / PER_PAGE..=ordinals.end.div_ceil(PER_PAGE);
        let pages = pages.filter_map(|page| data.shared(&self.page(page)));
        pages.filter_map(|(bytes, _)| Page::decode(&bytes)).flat_map(Page::into_pods).collect()
    }

    /// How often a pod has come or gone. If that is as it was, so is [`Ledger::out`].
    pub fn changes(&self, data: &dyn SharedData) -> u32 {
        self.read_changes(data).0
    }

    fn read_changes(&self, data: &dyn SharedData) -> (u32, Option<Version>) {
        let read = data.shared(&self.changes_key());
        let number = read.as_ref().and_then(|(bytes, _)| bytes.first_chunk::<4>());
        (number.map_or(0, |bytes| u32::from_be_bytes(*bytes)), read.map(|(_, version)| version))
    }

    fn changed(&self, data: &mut dyn SharedData) {
        for _ in 0..ATTEMPTS {
            let (number, version) = self.read_changes(data);
            let next = number.wrapping_add(1).to_be_bytes();
            if data.replace(&self.changes_key(), &next, version).is_ok() {
                return;
            }
        }
    }

    /// The key for what else all threads have to know.
    pub fn key(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    fn changes_key(&self) -> String {
        self.key("changes")
    }

    fn page_of(&self, place: Place) -> String {
        match place {
            Place::Pod(Ordinal(ordinal)) => self.page(ordinal / PER_PAGE),
            Place::Endpoint(_) => format!("{}e{}", self.prefix, page::number_of(place) % PER_PAGE),
        }
    }

    fn page(&self, number: u32) -> String {
        format!("{}{number}", self.prefix)
    }
}

#[cfg(test)]
mod tests;
