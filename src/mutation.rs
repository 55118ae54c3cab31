//! Inputs that are almost valid, for property tests: bytes that are drawn from nothing never get
//! past the first check.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

/// One of the `valid` inputs after a few changes, or none.
pub(crate) fn mutated<T: AsRef<[u8]>>(
    valid: impl IntoIterator<Item = T>,
) -> impl Strategy<Value = Vec<u8>> {
    let valid: Vec<Vec<u8>> = valid.into_iter().map(|valid| valid.as_ref().to_vec()).collect();
    (select(valid), vec((any::<Index>(), change()), 0..4)).prop_map(|(mut bytes, changes)| {
        changes.into_iter().for_each(|(place, change)| change.apply(place, &mut bytes));
        bytes
    })
}

#[derive(Clone, Debug)]
enum Change {
    Set(u8),
    Insert(Vec<u8>),
    Remove(usize),
    Repeat(usize),
    Cut,
}

fn change() -> impl Strategy<Value = Change> {
    // Those with a meaning in what is parsed here, and all others.
    let byte = || prop_oneof![select(b"\"\\{}[]:,-+.0129eEnt/ \r\n\0\xff".to_vec()), any::<u8>()];
    prop_oneof![
        4 => byte().prop_map(Change::Set),
        4 => vec(byte(), 1..5).prop_map(Change::Insert),
        2 => (1usize..20).prop_map(Change::Remove),
        2 => (1usize..40).prop_map(Change::Repeat),
        1 => Just(Change::Cut),
    ]
}

impl Change {
    fn apply(self, place: Index, bytes: &mut Vec<u8>) {
        let start = place.index(bytes.len() + 1);
        let upto = |size: usize| start..(start + size).min(bytes.len());
        match self {
            Self::Set(byte) => bytes.iter_mut().skip(start).take(1).for_each(|b| *b = byte),
            Self::Insert(more) => drop(bytes.splice(start..start, more)),
            Self::Remove(size) => drop(bytes.drain(upto(size))),
            Self::Repeat(size) => {
                let again = bytes[upto(size)].to_vec();
                bytes.splice(start..start, again);
            }
            Self::Cut => bytes.truncate(start),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;

    #[test]
    fn many_inputs_are_still_read_and_many_are_not() {
        let mut runner = TestRunner::deterministic();
        let inputs = mutated([br#"{"a":[1,"two",{"b":null}],"c":true}"#]);
        let is_json = |_: &u32| {
            let input = inputs.new_tree(&mut runner).unwrap().current();
            serde_json::from_slice::<serde_json::Value>(&input).is_ok()
        };
        let json = (0..1000).filter(is_json).count();
        assert!((250..750).contains(&json), "{json} of 1000");
    }
}
