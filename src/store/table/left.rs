//! What left the table.

use crate::session::{Pin, SessionKey};

/// A session that is no longer in the table.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::store) struct Left {
    pub(in crate::store) key: SessionKey,
    /// Its pin, as it was last.
    pub(in crate::store) pin: Pin,
    pub(in crate::store) why: Why,
}

/// Why a session left the table.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::store) enum Why {
    /// It idled out or grew too old.
    Expired,
    /// It lived, but another needed its room.
    GaveWay,
    /// It was forgotten: [`super::Table::unbind`].
    Ended,
    /// The pod that it lives on opened another session by the same id.
    Replaced,
}
