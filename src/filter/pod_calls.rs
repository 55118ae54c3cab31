//! Requests of the filter's own to a pod, about the session of the exchange at hand.

use std::time::Duration;

use log::debug;

use super::Filter;
use crate::host::{Callout, Host, Secret};
use crate::http::HeaderMap;
use crate::message::is_known_version;
use crate::pods::Place;
use crate::watch::{Question, Target};

/// How long a pod may take to end a session that no client learned of.
const END_ON_POD: Duration = Duration::from_secs(5);

/// Headers of a request that speak of its body, of its connection or of how it is answered, and so not
/// of the client.
const OF_THE_REQUEST: [&str; 19] = [
    "accept",
    "accept-encoding",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "if-match",
    "if-none-match",
    "keep-alive",
    "last-event-id",
    "mcp-protocol-version",
    "mcp-session-id",
    "range",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "x-request-id",
];

impl Filter {
    /// Where to ask about a session, as its client would.
    pub(super) fn ping_target(&self, host: &impl Host, question: &Question) -> Option<Target> {
        let worker = &self.worker;
        let (place, address) = (question.pin.place, question.answered_by);
        let route = worker.config.steering.ping_route(place, address, worker.watch.cluster())?;
        let kept = self.kept.as_ref()?;
        let cluster = route.cluster.or_else(|| host.upstream_cluster())?;
        let authority = route.authority.or_else(|| text(kept.get(":authority")?))?;
        let path = text(kept.get(":path")?)?;
        let is_clients = |name: &str| {
            !name.starts_with(':')
                && !name.starts_with("x-envoy-")
                && !OF_THE_REQUEST.contains(&name)
                && !worker.config.steering.is_steering(name.as_bytes())
        };
        let mut headers: Vec<_> = kept
            .fields()
            .filter_map(|(name, value)| Some((text(name)?, text(value)?)))
            .filter(|(name, _)| is_clients(name))
            .collect();
        let own = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        headers.push(own("accept", "application/json, text/event-stream"));
        headers.push(own("content-type", "application/json"));
        let id = match &self.sealed_id {
            Some(id) => text(&id.0)?,
            None => text(kept.get("mcp-session-id")?)?,
        };
        headers.push(own("mcp-session-id", &id));
        // A server refuses one that it does not know, whatever the session.
        let version = kept.get("mcp-protocol-version").and_then(text);
        if let Some(version) = version.filter(|version| is_known_version(version.as_bytes())) {
            headers.push(own("mcp-protocol-version", &version));
        }
        headers.extend(route.header);
        let headers = headers.into_iter().map(|(name, value)| (name, Secret(value))).collect();
        Some(Target { cluster, path, authority, headers })
    }

    /// Ends a session that no client learned of. Without the client's credentials; what a pod makes of it
    /// is its own affair.
    pub(super) fn end_on_pod(&self, host: &mut impl Host, place: Place) {
        let route = self.worker.config.steering.route(place);
        let (Some(cluster), Some(route)) = (host.upstream_cluster(), route) else { return };
        let id = host.response_headers().get("mcp-session-id").and_then(text);
        let kept = |name| self.kept.as_ref()?.get(name).and_then(text);
        let authority = route.authority.or_else(|| kept(":authority")).unwrap_or_default();
        let (Some(path), Some(id)) = (kept(":path"), id) else { return };
        let id = ("mcp-session-id".to_owned(), Secret(id));
        let steering = route.header.map(|(name, value)| (name, Secret(value)));
        let callout = Callout {
            cluster,
            method: "DELETE",
            path,
            authority,
            headers: [id].into_iter().chain(steering).collect(),
            body: Vec::new(),
            timeout: END_ON_POD,
        };
        if host.call(&callout).is_err() {
            debug!("a session that no client learned of cannot be ended on its pod");
        }
    }
}

fn text(bytes: &[u8]) -> Option<String> {
    std::str::from_utf8(bytes).ok().map(str::to_owned)
}
