//! What a store is told to be.

use std::time::Duration;

use super::remote::dialect::Dialect;
use crate::host::Secret;
use crate::keyring::Keyring;

/// The fewest sessions that a table may be made for.
pub const MIN_CAPACITY: u32 = 8;

/// The most sessions that a table may be made for.
pub const MAX_CAPACITY: u32 = 4 * 1024 * 1024;

/// Where pins are kept.
#[derive(Clone, Debug)]
pub struct StoreConfig {
    /// How many sessions fit into the table in shared data. If pins are sealed, how many that ended are kept in
    /// mind there.
    pub capacity: u32,
    /// The key of the configuration that says so.
    pub capacity_key: &'static str,
    /// The keys by which pins are sealed into the ids of their sessions, if they are.
    pub sealed: Option<Keyring>,
    /// The Redis whose near cache that table is, if there is one.
    pub redis: Option<RedisConfig>,
}

/// A Redis behind an HTTP front.
#[derive(Clone, Debug)]
pub struct RedisConfig {
    /// Envoy's cluster of the front.
    pub cluster: String,
    /// The `:authority` of requests to it.
    pub authority: String,
    /// How long a response may take.
    pub timeout: Duration,
    /// What the name of every Redis key begins with.
    pub key_prefix: String,
    /// What the front speaks.
    pub dialect: Dialect,
    /// The value of the `authorization` header.
    pub authorization: Option<Secret>,
    /// What happens to a new session that cannot be written down.
    pub on_error: OnError,
    /// The keys by which records are signed, if they are.
    pub keyring: Option<Keyring>,
}

/// What happens to a new session that cannot be written down.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum OnError {
    /// The client is answered 503: a session that only one Envoy knows is a trap.
    Fail,
    /// It is bound in this Envoy alone.
    Continue,
}
