//! An input, piece by piece.

/// What is left of an input. Once nothing is, it yields zeros and empty texts.
///
/// The digits `0` to `9` count from zero, so that inputs may be written by hand.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a>(pub &'a [u8]);

impl<'a> Input<'a> {
    /// The next byte.
    pub fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    /// A number below `limit`.
    pub fn below(&mut self, limit: usize) -> usize {
        usize::from(self.byte().unwrap_or(b'0').wrapping_sub(b'0')) % limit
    }

    /// One of these.
    pub fn one_of<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())]
    }

    /// Whether the next number is odd.
    pub fn flag(&mut self) -> bool {
        self.below(2) == 1
    }

    /// What comes before the next line feed.
    pub fn line(&mut self) -> &'a [u8] {
        let end = self.0.iter().position(|byte| *byte == b'\n').unwrap_or(self.0.len());
        let (line, rest) = self.0.split_at(end);
        self.0 = rest.get(1..).unwrap_or_default();
        line
    }

    /// Cuts of what follows, by sizes that come first: their number, then each.
    pub fn pieces(&mut self) -> Vec<&'a [u8]> {
        let sizes: Vec<_> = (0..self.below(8)).map(|_| 1 + self.below(64)).collect();
        let mut sizes = sizes.into_iter().cycle();
        let (mut left, mut pieces) = (self.0, Vec::new());
        while !left.is_empty() {
            let (piece, rest) = left.split_at(sizes.next().unwrap_or(left.len()).min(left.len()));
            pieces.push(piece);
            left = rest;
        }
        pieces
    }
}
