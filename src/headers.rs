//! The headers of one message, as bytes, in the packed block that a proxy hands over at once.
//!
//! Header values are bytes, not UTF-8 (RFC 9110 section 5.5); nothing here assumes otherwise.
//! Reading every header costs one crossing into the proxy, about what reading a single one costs,
//! and iterating allocates nothing.

/// All headers of one message, duplicates included, in order.
///
/// The block is the "serialized map" of the proxy-wasm ABI 0.2.1, integers little-endian: `u32`
/// count, then per header `u32` name length and `u32` value length, then per header the name, a
/// NUL, the value, a NUL. A block that ends early yields the headers that are whole.
#[derive(Clone, Debug, Default)]
pub struct Headers {
    block: Vec<u8>,
}

impl Headers {
    /// Takes a packed block as it came from the proxy.
    pub fn packed(block: Vec<u8>) -> Self {
        Self { block }
    }

    /// The packed block.
    pub fn as_packed(&self) -> &[u8] {
        &self.block
    }

    /// Name and value of each header. Names are lower case, as proxies hand them over.
    pub fn iter(&self) -> Iter<'_> {
        Iter::new(&self.block).unwrap_or(Iter { lengths: &[], bytes: &[] })
    }

    /// The value of the first header called `name`.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.iter().find(|(n, _)| *n == name.as_bytes()).map(|(_, value)| value)
    }
}

impl<N: AsRef<[u8]>, V: AsRef<[u8]>> FromIterator<(N, V)> for Headers {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(headers: I) -> Self {
        let (mut count, mut lengths, mut bytes) = (0u32, Vec::new(), Vec::new());
        for (name, value) in headers {
            count += 1;
            for part in [name.as_ref(), value.as_ref()] {
                lengths.extend_from_slice(&(part.len() as u32).to_le_bytes());
                bytes.extend_from_slice(part);
                bytes.push(0);
            }
        }
        Self { block: [&count.to_le_bytes()[..], &lengths, &bytes].concat() }
    }
}

impl<'a> IntoIterator for &'a Headers {
    type Item = (&'a [u8], &'a [u8]);
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

/// The status in the value of a `:status` header; 0 if there is none.
pub fn status(value: &[u8]) -> u16 {
    std::str::from_utf8(value).ok().and_then(|status| status.parse().ok()).unwrap_or(0)
}

/// Iterator over a packed block.
#[derive(Clone, Debug)]
pub struct Iter<'a> {
    lengths: &'a [u8],
    bytes: &'a [u8],
}

impl<'a> Iter<'a> {
    fn new(block: &'a [u8]) -> Option<Self> {
        let (count, rest) = block.split_first_chunk::<4>()?;
        let (lengths, bytes) =
            rest.split_at_checked((u32::from_le_bytes(*count) as usize).checked_mul(8)?)?;
        Some(Self { lengths, bytes })
    }

    fn part(&mut self) -> Option<&'a [u8]> {
        let (length, lengths) = self.lengths.split_first_chunk::<4>()?;
        let (part, bytes) = self.bytes.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        self.lengths = lengths;
        self.bytes = bytes.split_first()?.1;
        Some(part)
    }
}

impl<'a> Iterator for Iter<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        Some((self.part()?, self.part()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_first_of_two_headers_is_the_one_got() {
        let headers = Headers::from_iter([("a", &b"1"[..]), ("b", b"\xff"), ("a", b"2")]);
        assert_eq!(headers.get("a"), Some(&b"1"[..]));
        assert_eq!(headers.get("b"), Some(&b"\xff"[..]));
        assert_eq!(headers.get("c"), None);
        assert_eq!(headers.iter().count(), 3);
    }

    proptest! {
        #[test]
        fn what_is_packed_is_read(pairs: Vec<(Vec<u8>, Vec<u8>)>) {
            let headers: Headers = pairs.iter().map(|(n, v)| (n, v)).collect();
            let read: Vec<_> = headers.iter().map(|(n, v)| (n.to_vec(), v.to_vec())).collect();
            prop_assert_eq!(read, pairs);
        }

        #[test]
        fn any_block_is_read_without_a_panic(block: Vec<u8>) {
            Headers::packed(block).iter().count();
        }

        #[test]
        fn a_cut_block_yields_a_prefix(pairs: Vec<(Vec<u8>, Vec<u8>)>, cut: usize) {
            let whole: Headers = pairs.iter().map(|(n, v)| (n, v)).collect();
            let cut = cut % (whole.as_packed().len() + 1);
            let part = Headers::packed(whole.as_packed()[..cut].to_vec());
            prop_assert!(part.iter().eq(whole.iter().take(part.iter().count())));
        }
    }
}
