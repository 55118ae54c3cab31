//! What the operator has left to decide about exchanges.

/// What the operator has left to decide.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Policy {
    /// What a client is told whose pod cannot be reached.
    pub on_unreachable: OnUnreachable,
}

/// What a client is told whose pod cannot be reached.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum OnUnreachable {
    /// 404: it starts a new session.
    NotFound,
    /// 503: it tries again, and has its session back if the pod comes back with it.
    Unavailable,
}
