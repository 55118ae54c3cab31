//! Orders that differ from round to round, and not from run to run.

/// A linear congruential generator, with Knuth's constants for MMIX.
pub(crate) struct Shuffle(u64);

impl Default for Shuffle {
    fn default() -> Self {
        Self(1)
    }
}

impl From<u64> for Shuffle {
    fn from(seed: u64) -> Self {
        Self(seed)
    }
}

impl Shuffle {
    /// Fisher and Yates'.
    pub(crate) fn of<T>(&mut self, items: impl IntoIterator<Item = T>) -> Vec<T> {
        let mut items: Vec<T> = items.into_iter().collect();
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
        items
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        // The lower bits repeat soon.
        (self.0 >> 33) as usize % bound
    }
}
