//! Requests of MCP 2026-07-28 and later, which have no sessions, and what keeps those of one client together
//! all the same.
//!
//! A [`Rule`] finds a key in a request's headers, or in what the proxy knows of it. The first that finds one
//! decides: by the pod's name in it, or by [`weight`], which gives each key a pod that all proxies agree on.

mod rendezvous;
mod rule;
mod value;

use crate::session::Lifetime;
use crate::store::StoreConfig;

pub use rendezvous::weight;
pub use rule::{Keyed, NAME, Rule, Ruling, Task, task_key};

/// What is done about them.
#[derive(Clone, Debug, Default)]
pub struct Affinity {
    /// The rules, in order. Without any, such requests pass.
    pub rules: Vec<Rule>,
    /// Where it is kept which pod a key has, and for how long, if a rule wants that.
    pub store: Option<(StoreConfig, Lifetime)>,
}
