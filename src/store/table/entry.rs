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

/// One session of a bucket.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Entry {
    pub(super) key: SessionKey,
    pub(super) pin: Pin,
    /// It was moved to the front since a session was last added to the bucket.
    pub(super) noted: bool,
}
