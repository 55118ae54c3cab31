//! How a request is sent to a chosen place: by edits that the proxy's routing understands.
//!
//! | mode | a session is pinned to | the proxy is told by | who picks for a new session |
//! |---|---|---|---|
//! | [`Steering::Authority`] | a pod's name | `:authority` | Podpin |
//! | [`Steering::DynamicHost`] | a pod's name | filter state | Podpin |
//! | [`Steering::Endpoint`] | an endpoint's address | a header for a filter or a load-balancing policy | Envoy |
//! | [`Steering::OriginalDst`] | an endpoint's address | a header for the cluster | Envoy |

mod header;
mod missed;
mod sightings;

use std::fmt;
use std::net::SocketAddr;

use crate::http::{Edit, Head};
use crate::pods::{Addresses, Place, Placement, Places, StatefulSet};

pub use header::{Encoding, EndpointHeader};
pub use missed::Missed;
pub use sightings::{Contradiction, Sightings};

/// The header that carries the pod's authority in [`Steering::DynamicHost`].
pub const POD_HOST: &str = "x-podpin-host";

/// The header that carries the address in [`Steering::OriginalDst`], as Envoy's original-destination
/// cluster reads it (Envoy, "Original destination host request header").
pub const ORIGINAL_DST: &str = "x-envoy-original-dst-host";

/// What the names of Podpin's own headers begin with. By these, and by [`ORIGINAL_DST`], Envoy or a
/// route made for Podpin takes an upstream address. A client must never choose one, so they are
/// removed from every request, whatever the mode.
const PREFIX: &[u8] = b"x-podpin-";

/// How the proxy is told which place to use, and what it takes to do so.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Steering {
    /// `:authority` becomes the pod's DNS name and port; the client's is kept at the end of
    /// `x-forwarded-host`, where Envoy's `append_x_forwarded_host` would put it.
    Authority(Pods),
    /// `:authority` stays, for servers that check it. The pod's DNS name goes to Envoy's dynamic
    /// forward proxy as filter state, and into `x-podpin-host` for routes to match.
    DynamicHost(Pods),
    /// A header names one endpoint of the cluster that the request's route leads to: for Envoy's
    /// filter `stateful_session` or its load-balancing policy `override_host`.
    Endpoint {
        /// That header.
        header: EndpointHeader,
        /// The addresses that endpoints may have, where they are limited.
        within: Option<Addresses>,
    },
    /// `x-envoy-original-dst-host` names the address to connect to. So nothing but the limits of
    /// the workload's addresses keeps a request from going anywhere.
    OriginalDst(Addresses),
}

/// The pods of a StatefulSet, by name.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Pods {
    /// Whose they are.
    pub set: StatefulSet,
    /// Which of them get new sessions.
    pub placement: Placement,
}

/// What steering needs of a request's headers, kept until it is known where the request goes.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Asked {
    /// The new value of `x-forwarded-host`.
    forwarded_host: Option<Vec<u8>>,
}

/// What leads a request of the filter's own to a place.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Route {
    /// The cluster that it goes to, unless that is the one of the place.
    pub cluster: Option<String>,
    /// The `:authority` that it has to have; `None` if any will do.
    pub authority: Option<String>,
    /// A header that it has to have.
    pub header: Option<(String, String)>,
}

// === impl Steering ===

impl Steering {
    /// Whether a request header of this name is removed if a client sends it.
    pub fn is_steering(&self, name: &[u8]) -> bool {
        name == ORIGINAL_DST.as_bytes()
            || name.starts_with(PREFIX)
            || matches!(self, Self::Endpoint { header, .. } if header.name.as_bytes() == name)
    }

    /// The places that sessions can be pinned to. A pin on any other is of no use.
    pub fn places(&self) -> Places {
        match self {
            Self::Authority(pods) | Self::DynamicHost(pods) => Places::Pods(pods.set.clone()),
            Self::Endpoint { within, .. } => Places::Endpoints(within.clone()),
            Self::OriginalDst(within) => Places::Endpoints(Some(within.clone())),
        }
    }

    /// The pods that sessions live on; `None` if it is endpoints that the proxy picks.
    pub fn pods(&self) -> Option<&Pods> {
        match self {
            Self::Authority(pods) | Self::DynamicHost(pods) => Some(pods),
            Self::Endpoint { .. } | Self::OriginalDst(_) => None,
        }
    }

    /// Whether sessions are pinned to addresses: then a response tells by that of its upstream whether
    /// it came from where the session lives.
    pub fn is_by_address(&self) -> bool {
        self.pods().is_none()
    }

    /// Keeps what [`Steering::edits`] will need of a request.
    pub fn asked(&self, head: &Head<'_>) -> Asked {
        let forwarded_host = match self {
            // After an internal redirect the authority is one that this has set, and the client's is
            // kept already.
            Self::Authority(pods) => head
                .authority
                .filter(|asked| !pods.set.has_authority(asked))
                .map(|asked| appended(head.forwarded_host, asked)),
            Self::DynamicHost(_) | Self::Endpoint { .. } | Self::OriginalDst(_) => None,
        };
        Asked { forwarded_host }
    }

    /// What sends a request to `place`; `None` if that is none of [`Steering::places`].
    pub fn edits(
        &self,
        asked: &mut Asked,
        place: Place,
    ) -> Option<impl Iterator<Item = Edit> + use<>> {
        let edits = match (self, place) {
            (Self::Authority(pods), Place::Pod(pod)) => [
                asked.forwarded_host.take().map(|list| Edit::Set("x-forwarded-host".into(), list)),
                Some(Edit::Set(":authority".into(), pods.set.authority(pod).into_bytes())),
                None,
            ],
            (Self::DynamicHost(pods), Place::Pod(pod)) => [
                Some(Edit::FilterState("envoy.upstream.dynamic_host", pods.set.host(pod))),
                Some(Edit::FilterState("envoy.upstream.dynamic_port", pods.set.port.to_string())),
                Some(Edit::Set(POD_HOST.into(), pods.set.authority(pod).into_bytes())),
            ],
            (Self::Endpoint { header, .. }, Place::Endpoint(endpoint)) => {
                let value = header.encoding.encode(endpoint).into_bytes();
                let edit = match header.encoding {
                    Encoding::Base64 => Edit::Endpoint(endpoint, header.name.clone(), value),
                    // The load-balancing policy takes it from nowhere else.
                    Encoding::Plain => Edit::Set(header.name.clone().into(), value),
                };
                [Some(edit), None, None]
            }
            (Self::OriginalDst(within), Place::Endpoint(endpoint)) if within.contain(endpoint) => {
                let value = endpoint.to_string().into_bytes();
                [Some(Edit::Set(ORIGINAL_DST.into(), value)), None, None]
            }
            _ => return None,
        };
        Some(edits.into_iter().flatten())
    }

    /// What leads a callout to the cluster of `place` to that place; `None` if nothing does.
    pub fn route(&self, place: Place) -> Option<Route> {
        match (self, place) {
            (Self::Authority(pods) | Self::DynamicHost(pods), Place::Pod(pod)) => {
                Some(Route { authority: Some(pods.set.authority(pod)), ..Route::default() })
            }
            // The filter stateful_session sees no callouts, the load-balancing policy does.
            (
                Self::Endpoint {
                    header: EndpointHeader { name, encoding: Encoding::Plain }, ..
                },
                Place::Endpoint(endpoint),
            ) => {
                let header = Some((name.clone(), endpoint.to_string()));
                Some(Route { header, ..Route::default() })
            }
            _ => None,
        }
    }

    /// The header that tells the proxy where a request goes, if it is one that clients may not send.
    pub fn header(&self) -> Option<&str> {
        match self {
            Self::Authority(_) => None,
            Self::DynamicHost(_) => Some(POD_HOST),
            Self::Endpoint { header, .. } => Some(&header.name),
            Self::OriginalDst(_) => Some(ORIGINAL_DST),
        }
    }

    /// The header that the proxy adds to responses and that clients must not see: where the response
    /// came from, unless that is where the request was to go.
    pub fn response_header(&self) -> Option<&str> {
        match self {
            Self::Endpoint { header, .. } => Some(&header.name),
            Self::Authority(_) | Self::DynamicHost(_) | Self::OriginalDst(_) => None,
        }
    }

    /// What logs call `place`.
    pub fn name(&self, place: Place) -> String {
        match (self.pods(), place) {
            (Some(pods), Place::Pod(pod)) => pods.set.pod(pod),
            (None, Place::Pod(pod)) => pod.to_string(),
            (_, Place::Endpoint(address)) => address.to_string(),
        }
    }

    /// What an operator should look at when a response came from another place than the request was
    /// sent to.
    pub fn advice(&self) -> &'static str {
        match self {
            Self::Authority(_) | Self::DynamicHost(_) => {
                "does one load-balanced cluster stand behind all pod names? Each name must lead to \
                 its own pod's address"
            }
            Self::Endpoint {
                header: EndpointHeader { encoding: Encoding::Base64, .. }, ..
            } => {
                "stateful_session must stand after podpin, for the same header and with strict, and \
                 the route must not retry; in Envoy Gateway filterOrder of the EnvoyProxy says so"
            }
            Self::Endpoint { .. } => {
                "the endpoint is gone and the fallback policy took over, the cluster's policy is not \
                 override_host for the same header, or the route retries"
            }
            Self::OriginalDst(_) => {
                "the route of steered requests must lead to a cluster of type ORIGINAL_DST with \
                 use_http_header"
            }
        }
    }

    /// What leads a callout about a session to `place`, where `address` has just answered, with the
    /// `:authority` of the session's requests; `None` if nothing does. `addressed` is a cluster that
    /// connects to the address that [`ORIGINAL_DST`] names. It would connect to any, so it gets none but
    /// one that the proxy has been connected to: a stored place may be anyone's wish.
    pub fn ping_route(
        &self,
        place: Place,
        address: Option<SocketAddr>,
        addressed: Option<&str>,
    ) -> Option<Route> {
        let cluster = match self {
            Self::Authority(_) => return self.route(place),
            Self::Endpoint { header, .. } if header.encoding == Encoding::Plain => {
                return self.route(place);
            }
            Self::OriginalDst(_) => None,
            // By the pod's name a callout would get there, but that is not the Host that its server wants.
            Self::DynamicHost(_) | Self::Endpoint { .. } => Some(addressed?.to_owned()),
        };
        let is_there = |address: &SocketAddr| match place {
            Place::Endpoint(endpoint) => endpoint == *address,
            Place::Pod(_) => true,
        };
        let address = address.filter(is_there)?.to_string();
        Some(Route { cluster, authority: None, header: Some((ORIGINAL_DST.to_owned(), address)) })
    }
}

/// What a log says of it.
impl fmt::Display for Steering {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Authority(pods) => write!(f, "authority of {} replicas", pods.set.replicas),
            Self::DynamicHost(pods) => write!(f, "dynamic host of {} replicas", pods.set.replicas),
            Self::Endpoint { header, .. } => write!(f, "endpoint in {}", header.name),
            Self::OriginalDst(_) => f.write_str("original destination"),
        }
    }
}

fn appended(list: Option<&[u8]>, value: &[u8]) -> Vec<u8> {
    match list {
        Some(list) if !list.is_empty() => [list, b", ", value].concat(),
        _ => value.to_vec(),
    }
}

#[cfg(test)]
mod tests;
