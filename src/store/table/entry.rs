//! What a bucket is made of, however it is written.

use crate::session::{Pin, SessionKey};

/// How a bucket is written. Its first byte is the number of its format.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Format {
    /// Of Podpin 0.1.0.
    One = 1,
    /// The present one.
    Two = 2,
}

impl Format {
    /// How many entries a bucket holds. The more, the less memory each takes of what a proxy needs for a key;
    /// the fewer, the shorter is what a look-up copies.
    pub(super) const fn places(self) -> usize {
        match self {
            Self::One => 8,
            Self::Two => 16,
        }
    }

    /// A bucket with this many entries lets others spill into their second one. The higher, the more
    /// sessions give way before the table is full; the lower, the more look-ups read two buckets.
    pub(super) const fn nearly_full(self) -> usize {
        match self {
            Self::One => 5,
            Self::Two => 11,
        }
    }
}

/// One session of a bucket.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Entry {
    pub(super) key: SessionKey,
    pub(super) pin: Pin,
    /// It was moved to the front since a session was last added to the bucket.
    pub(super) noted: bool,
}
