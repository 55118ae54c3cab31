use super::*;
use proptest::prelude::*;

#[test]
fn the_first_of_two_headers_is_the_one_got() {
    let headers = Packed::from_iter([("a", &b"1"[..]), ("b", b"\xff"), ("a", b"2")]);
    assert_eq!(headers.get("a"), Some(&b"1"[..]));
    assert_eq!(headers.get("b"), Some(&b"\xff"[..]));
    assert_eq!(headers.get("c"), None);
    assert_eq!(headers.fields().count(), 3);
}

proptest! {
    #[test]
    fn what_is_packed_is_read(pairs: Vec<(Vec<u8>, Vec<u8>)>) {
        let headers: Packed = pairs.iter().map(|(n, v)| (n, v)).collect();
        let read: Vec<_> = headers.fields().map(|(n, v)| (n.to_vec(), v.to_vec())).collect();
        prop_assert_eq!(read, pairs);
    }

    /// Lengths that lie included.
    #[test]
    fn no_field_reaches_out_of_a_block_in_which_bytes_are_wrong(
        pairs in prop::collection::vec(any::<(Vec<u8>, Vec<u8>)>(), 1..6),
        wrong in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let headers: Packed = pairs.iter().map(|(n, v)| (n, v)).collect();
        let mut block = headers.block().to_vec();
        for (place, byte) in wrong {
            // Most of all in what says how long things are.
            let place = place.index(block.len().min(4 + 8 * pairs.len()));
            block[place] = byte;
        }
        let headers = Packed::new(block);
        let read: usize = headers.fields().map(|(n, v)| n.len() + v.len() + 2).sum();
        prop_assert!(read <= headers.block().len());
    }

    #[test]
    fn a_cut_block_yields_a_prefix(pairs: Vec<(Vec<u8>, Vec<u8>)>, cut: usize) {
        let whole: Packed = pairs.iter().map(|(n, v)| (n, v)).collect();
        let cut = cut % (whole.block().len() + 1);
        let part = Packed::new(whole.block()[..cut].to_vec());
        prop_assert!(part.fields().eq(whole.fields().take(part.fields().count())));
    }
}
