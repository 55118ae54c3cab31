//! Where a session can live.

use std::net::SocketAddr;

use crate::pods::Ordinal;

/// What a session is pinned to.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Place {
    /// A pod of a StatefulSet, whatever its address is by now.
    Pod(Ordinal),
    /// An endpoint of a cluster, by its address.
    Endpoint(SocketAddr),
}
