//! Where pins are kept.

pub mod table;

use crate::pin::Pin;

/// What a store knows of a session.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Lookup {
    /// It lives where the pin says.
    Live(Pin),
    /// It was forgotten for its age or idleness.
    Expired,
    /// It was never here, or gave way to another.
    Unknown,
}

/// How an attempt to bind a session ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Binding {
    /// It is bound. `evicted` live sessions gave way.
    Bound {
        /// How many.
        evicted: usize,
    },
    /// The id belongs to a live session on another pod, which keeps it.
    Taken,
    /// The store did not take it.
    Failed,
}
