//! What some of the ids said that were opened lately. To find one here costs a small part of what it
//! costs to open it.

use super::Opened;
use crate::lock::Lock;
use crate::session::SessionId;

/// Ids that are kept, at most. Each takes about 300 bytes, 1 KB at most.
const SLOTS: usize = 4096;

/// Each id has one slot, and takes it from the one that was there before. Only ids that opened are kept, so
/// whoever makes some up displaces none.
#[derive(Debug, Default)]
pub(super) struct Cache(Lock<Vec<Option<Box<Slot>>>>);

#[derive(Debug)]
struct Slot {
    id: Vec<u8>,
    opened: Opened,
}

impl Cache {
    /// What `id` said, if it is kept.
    pub(super) fn get(&self, id: SessionId<'_>) -> Option<Opened> {
        let slots = self.0.lock();
        let slot = slots.get(place(id))?.as_ref()?;
        is_same(&slot.id, id.bytes()).then(|| slot.opened.clone())
    }

    /// Keeps what `id` said.
    pub(super) fn keep(&self, id: SessionId<'_>, opened: &Opened) {
        let mut slots = self.0.lock();
        if slots.is_empty() {
            slots.resize_with(SLOTS, || None);
        }
        if let Some(slot) = slots.get_mut(place(id)) {
            *slot = Some(Box::new(Slot { id: id.bytes().to_vec(), opened: opened.clone() }));
        }
    }
}

/// By eight characters of the nonce.
fn place(id: SessionId<'_>) -> usize {
    let characters = id.bytes().get(8..16).and_then(|part| part.first_chunk());
    let number = u64::from_be_bytes(*characters.unwrap_or(&[0; 8]));
    (number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as usize % SLOTS
}

/// Takes as long whatever the difference is, so that nobody finds out an id piece by piece.
fn is_same(one: &[u8], other: &[u8]) -> bool {
    let ((one_words, one_rest), (other_words, other_rest)) = (one.as_chunks(), other.as_chunks());
    let words = one_words.iter().zip(other_words);
    let words = words.map(|(a, b)| u64::from_ne_bytes(*a) ^ u64::from_ne_bytes(*b));
    let rest = one_rest.iter().zip(other_rest).map(|(a, b)| u64::from(a ^ b));
    one.len() == other.len() && words.chain(rest).fold(0, |all, difference| all | difference) == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pods::{Ordinal, Place};
    use crate::session::{Pin, Timestamp};
    use crate::store::sealed::PodsId;

    fn opened(number: u32) -> Opened {
        let (place, now) = (Place::Pod(Ordinal(number)), Timestamp(1));
        let pin = Pin { place, incarnation: None, subject: None, bound_at: now, used_at: now };
        Opened { pin, id: PodsId(number.to_string().into_bytes().into()) }
    }

    fn text(number: u32) -> String {
        format!("Acq-XgRI{:08x}the rest", number.wrapping_mul(0x9e37_79b9)).replace(' ', "_")
    }

    #[test]
    fn an_id_is_found_as_it_was_kept_and_no_other_is() {
        let cache = Cache::default();
        for number in 0..10 * SLOTS as u32 {
            let text = text(number);
            let id = SessionId::parse(text.as_bytes()).unwrap();
            assert_eq!(cache.get(id), None, "{number}");
            cache.keep(id, &opened(number));
            assert_eq!(cache.get(id), Some(opened(number)));
            let another = text.replace("rest", "resT");
            assert_eq!(cache.get(SessionId::parse(another.as_bytes()).unwrap()), None);
        }
        assert_eq!(cache.0.lock().len(), SLOTS);
    }

    #[test]
    fn a_difference_at_any_place_is_one() {
        for length in 0..40 {
            let one = vec![b'a'; length];
            assert!(is_same(&one, &one.clone()));
            assert!(!is_same(&one, &[&one[..], b"a"].concat()));
            for place in 0..length {
                let mut other = one.clone();
                other[place] ^= 1 << (place % 8);
                assert!(!is_same(&one, &other), "{place} of {length}");
            }
        }
    }

    #[test]
    fn few_displace_each_other() {
        let cache = Cache::default();
        let texts: Vec<_> = (0..SLOTS as u32 / 4).map(text).collect();
        let ids = || texts.iter().map(|text| SessionId::parse(text.as_bytes()).unwrap());
        ids().zip(0..).for_each(|(id, number)| cache.keep(id, &opened(number)));
        let kept = ids().filter(|id| cache.get(*id).is_some()).count();
        assert!(kept > texts.len() * 8 / 10, "{kept} of {}", texts.len());
    }
}
