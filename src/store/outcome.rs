//! What comes of asking a store.

use crate::session::{Pin, User};

/// What a store knows of a session.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Lookup {
    /// It lives where the pin says.
    Live(Pin),
    /// It was forgotten for its age or idleness.
    Expired,
    /// It was never here, or gave way to another.
    Unknown,
    /// It lives, but for another than who asks.
    Strangers,
    /// The store cannot say.
    Failed,
}

impl Lookup {
    /// What `user` is to know of it.
    pub(crate) fn for_user(self, user: User) -> Self {
        match self {
            Self::Live(pin) if !pin.is_open_to(user) => Self::Strangers,
            found => found,
        }
    }
}

/// How an attempt to bind a session ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Binding {
    /// It is bound.
    Bound,
    /// The id belongs to a live session on another pod, which keeps it.
    Taken,
    /// The place is none of the workload.
    Outside,
    /// The store did not take it.
    Failed,
}

/// What an exchange waited for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Wake {
    /// Its session was looked up.
    Looked(Lookup),
    /// Its session was to be bound.
    Stored(Binding),
}
