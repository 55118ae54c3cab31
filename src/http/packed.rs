//! The headers of one message in one block.
//!
//! It is the form in which proxy-wasm hands them over: reading every header so costs one crossing
//! into the proxy, about what reading a single one costs, iterating allocates nothing, and keeping
//! them is a move.

use super::HeaderMap;

/// All headers of one message, duplicates included, in order.
///
/// The block is the "serialized map" of the proxy-wasm ABI 0.2.1, integers little-endian: `u32`
/// count, then per header `u32` name length and `u32` value length, then per header the name, a
/// NUL, the value, a NUL. A block that ends early yields the headers that are whole.
#[derive(Clone, Debug, Default)]
pub struct Packed {
    block: Vec<u8>,
}

impl Packed {
    /// Takes a packed block as it came from the proxy.
    pub fn new(block: Vec<u8>) -> Self {
        Self { block }
    }

    /// The packed block.
    pub fn block(&self) -> &[u8] {
        &self.block
    }
}

impl HeaderMap for Packed {
    fn fields(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        Iter::new(&self.block).unwrap_or_default()
    }

    fn keep(self) -> Packed {
        self
    }
}

impl<N: AsRef<[u8]>, V: AsRef<[u8]>> FromIterator<(N, V)> for Packed {
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

/// Iterator over a packed block.
#[derive(Clone, Debug, Default)]
struct Iter<'a> {
    /// Of a name and its value.
    lengths: &'a [[[u8; 4]; 2]],
    bytes: &'a [u8],
}

impl<'a> Iter<'a> {
    fn new(block: &'a [u8]) -> Option<Self> {
        let (count, rest) = block.split_first_chunk::<4>()?;
        let (lengths, bytes) =
            rest.split_at_checked((u32::from_le_bytes(*count) as usize).checked_mul(8)?)?;
        let (lengths, _) = lengths.as_chunks::<4>().0.as_chunks::<2>();
        Some(Self { lengths, bytes })
    }
}

/// A part and what follows its NUL.
fn part(bytes: &[u8], length: [u8; 4]) -> Option<(&[u8], &[u8])> {
    let (part, rest) = bytes.split_at_checked(u32::from_le_bytes(length) as usize)?;
    let (_, rest) = rest.split_first()?;
    Some((part, rest))
}

impl<'a> Iterator for Iter<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let ([name, value], lengths) = self.lengths.split_first()?;
        let (name, rest) = part(self.bytes, *name)?;
        let (value, rest) = part(rest, *value)?;
        (self.lengths, self.bytes) = (lengths, rest);
        Some((name, value))
    }
}

#[cfg(test)]
mod tests;
