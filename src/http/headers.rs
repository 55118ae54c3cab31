//! The headers of one message, however a proxy hands them over.

use super::Packed;

/// A view of all headers of one message, duplicates included, in order. Good until the message is
/// changed.
///
/// Names are lower case. Values are bytes, not UTF-8 (RFC 9110 section 5.5).
pub trait HeaderMap {
    /// Name and value of each header field.
    fn fields(&self) -> impl Iterator<Item = (&[u8], &[u8])>;

    /// The value of the first header called `name`.
    fn get(&self, name: &str) -> Option<&[u8]> {
        self.fields().find(|(other, _)| *other == name.as_bytes()).map(|(_, value)| value)
    }

    /// These headers, for as long as they are needed.
    fn keep(self) -> Packed
    where
        Self: Sized,
    {
        self.fields().collect()
    }
}

impl<N: AsRef<[u8]>, V: AsRef<[u8]>> HeaderMap for Vec<(N, V)> {
    fn fields(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.iter().map(|(name, value)| (name.as_ref(), value.as_ref()))
    }
}

/// The status in the value of a `:status` header; 0 if there is none.
pub fn status(value: &[u8]) -> u16 {
    std::str::from_utf8(value).ok().and_then(|status| status.parse().ok()).unwrap_or(0)
}
