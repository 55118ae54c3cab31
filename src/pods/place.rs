//! Where a session can live, and which of these places belong to the workload.

use std::net::SocketAddr;

use super::{Addresses, Ordinal, StatefulSet};

/// What a session is pinned to.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Place {
    /// A pod of a StatefulSet, whatever its address is by now.
    Pod(Ordinal),
    /// An endpoint of a cluster, by its address.
    Endpoint(SocketAddr),
}

/// The places where sessions of one workload can live. Those of a StatefulSet's pods and endpoints are
/// of different modes of steering, and neither mode makes anything of the other's pins.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Places {
    /// The pods of a StatefulSet, by name.
    Pods(StatefulSet),
    /// The endpoints that have such an address; if none are named, those of the proxy's cluster.
    Endpoints(Option<Addresses>),
}

impl Places {
    /// Whether a session of the workload can live there.
    pub fn include(&self, place: Place) -> bool {
        match (self, place) {
            (Self::Pods(_), Place::Pod(_)) | (Self::Endpoints(None), Place::Endpoint(_)) => true,
            (Self::Endpoints(Some(within)), Place::Endpoint(address)) => within.contain(address),
            (Self::Pods(_), Place::Endpoint(_)) | (Self::Endpoints(_), Place::Pod(_)) => false,
        }
    }
}
