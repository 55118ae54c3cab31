//! The packed block of headers: how this module reads Envoy's, and writes its own.

use podpin::http::HeaderMap;
use podpin_filter::packed::Packed;
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

    #[test]
    fn any_block_is_read_without_a_panic(block: Vec<u8>) {
        Packed::new(block).fields().count();
    }

    #[test]
    fn a_cut_block_yields_a_prefix(pairs: Vec<(Vec<u8>, Vec<u8>)>, cut: usize) {
        let whole: Packed = pairs.iter().map(|(n, v)| (n, v)).collect();
        let cut = cut % (whole.block().len() + 1);
        let part = Packed::new(whole.block()[..cut].to_vec());
        prop_assert!(part.fields().eq(whole.fields().take(part.fields().count())));
    }
}
