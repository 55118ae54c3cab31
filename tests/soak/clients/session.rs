//! A session as a client knows it, and an answer.

use std::collections::BTreeSet;
use std::time::Instant;

use http::HeaderMap;

use crate::fleet::Running;
use crate::ledger::Place;
use crate::server::MARK;

/// A session that is open.
pub(super) struct Session {
    pub(super) id: String,
    /// The start of the pod that it is of.
    pub(super) mark: String,
    /// A time before it was opened.
    pub(super) since: Instant,
    /// Those that have served it.
    pub(super) known: BTreeSet<Running>,
}

/// An answer, all of it.
pub(super) struct Got {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) text: String,
    pub(super) envoy: Running,
    pub(super) began: Instant,
}

// === impl Session ===

impl Session {
    /// The ordinal of its pod.
    pub(super) fn pod(&self) -> Option<usize> {
        ordinal(&self.mark)
    }

    pub(super) fn place(&self, envoy: Running) -> Place {
        let knows = self.known.contains(&envoy);
        Place { pod: self.pod(), envoy: Some(envoy.number), knows }
    }
}

// === impl Got ===

impl Got {
    /// The start of the pod that answered; empty if none did.
    pub(super) fn mark(&self) -> String {
        mark(&self.headers)
    }

    pub(super) fn pod(&self) -> Option<usize> {
        ordinal(&self.mark())
    }

    pub(super) fn told(&self) -> String {
        format!("{} by {:?} and {}: {:?}", self.status, self.envoy, self.mark(), self.text)
    }
}

/// The start of a pod that a response names.
pub(super) fn mark(headers: &HeaderMap) -> String {
    let mark = headers.get(MARK).and_then(|mark| mark.to_str().ok());
    mark.unwrap_or_default().to_owned()
}

fn ordinal(mark: &str) -> Option<usize> {
    mark.split_once('/')?.0.parse().ok()
}
