//! How a request is sent to a chosen place: by edits that the proxy's routing understands.

use crate::http::{Edit, Head};
use crate::pods::{Placement, StatefulSet};
use crate::session::Place;

/// The header that carries the pod's authority in [`Steering::DynamicHost`].
pub const POD_HOST: &str = "x-podpin-host";

/// Headers by which Envoy, or a route made for Podpin, takes an upstream address. A client must
/// never choose one, so they are removed from every request.
const STEERING: &[u8] = b"x-envoy-original-dst-host";
const STEERING_PREFIX: &[u8] = b"x-podpin-";

/// How the proxy is told which place to use, and what it takes to do so.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Steering {
    /// `:authority` becomes the pod's DNS name and port; the client's is kept at the end of
    /// `x-forwarded-host`, where Envoy's `append_x_forwarded_host` would put it.
    Authority(Pods),
    /// `:authority` stays, for servers that check it. The pod's DNS name goes to Envoy's dynamic
    /// forward proxy as filter state, and into `x-podpin-host` for routes to match.
    DynamicHost(Pods),
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

// === impl Steering ===

impl Steering {
    /// Whether a request header of this name is removed if a client sends it.
    pub fn is_steering(&self, name: &[u8]) -> bool {
        name == STEERING || name.starts_with(STEERING_PREFIX)
    }

    /// Whether requests can be sent to `place`. A pin of another mode of steering is of no use.
    pub fn reaches(&self, place: Place) -> bool {
        matches!(place, Place::Pod(_))
    }

    /// The place for a new session, by a `random` that is uniform over all of `u64`.
    pub fn pick(&self, random: u64) -> Place {
        Place::Pod(self.pods().placement.pick(random))
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
            Self::DynamicHost(_) => None,
        };
        Asked { forwarded_host }
    }

    /// What sends a request to `place`; nothing if it cannot be reached.
    pub fn edits(&self, asked: &mut Asked, place: Place) -> impl Iterator<Item = Edit> {
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
            (_, Place::Endpoint(_)) => [None, None, None],
        };
        edits.into_iter().flatten()
    }

    /// The `:authority` by which the proxy finds `place` for a callout; `None` if it cannot.
    pub fn authority(&self, place: Place) -> Option<String> {
        match place {
            Place::Pod(pod) => Some(self.pods().set.authority(pod)),
            Place::Endpoint(_) => None,
        }
    }

    /// The header that tells the proxy where a request goes, if it is one that clients may not send.
    pub fn header(&self) -> Option<&'static str> {
        match self {
            Self::Authority(_) => None,
            Self::DynamicHost(_) => Some(POD_HOST),
        }
    }

    /// What logs call `place`.
    pub fn name(&self, place: Place) -> String {
        match place {
            Place::Pod(pod) => self.pods().set.pod(pod),
            Place::Endpoint(address) => address.to_string(),
        }
    }

    /// The StatefulSet by whose names places are known to other proxies.
    pub fn stateful_set(&self) -> &StatefulSet {
        &self.pods().set
    }

    fn pods(&self) -> &Pods {
        let (Self::Authority(pods) | Self::DynamicHost(pods)) = self;
        pods
    }
}

fn appended(list: Option<&[u8]>, value: &[u8]) -> Vec<u8> {
    match list {
        Some(list) if !list.is_empty() => [list, b", ", value].concat(),
        _ => value.to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pods::Ordinal;

    fn pods() -> Pods {
        let set = StatefulSet {
            name: "a".into(),
            service: "b".into(),
            namespace: "c".into(),
            cluster_domain: "d".into(),
            port: 80,
            replicas: 3,
            first_ordinal: 0,
        };
        Pods { set, placement: Placement::uniform(0..3, &[]).unwrap() }
    }

    fn edits(steering: &Steering, head: Head<'_>) -> Vec<Edit> {
        steering.edits(&mut steering.asked(&head), Place::Pod(Ordinal(2))).collect()
    }

    #[test]
    fn the_authority_becomes_the_pod_and_the_old_one_is_kept() {
        let steering = Steering::Authority(pods());
        let pod = Edit::Set(":authority".into(), b"a-2.b.c.svc.d:80".to_vec());
        for (forwarded, kept) in [
            (None, &b"mcp.example"[..]),
            (Some(&b""[..]), b"mcp.example"),
            (Some(b"public.example"), b"public.example, mcp.example"),
        ] {
            let head = Head {
                authority: Some(b"mcp.example"),
                forwarded_host: forwarded,
                ..Head::default()
            };
            let kept = Edit::Set("x-forwarded-host".into(), kept.to_vec());
            assert_eq!(edits(&steering, head), [kept, pod.clone()]);
        }
        assert_eq!(edits(&steering, Head::default()), std::slice::from_ref(&pod));
        let redirected = Head {
            authority: Some(b"a-1.b.c.svc.d:80"),
            forwarded_host: Some(b"mcp.example"),
            ..Head::default()
        };
        assert_eq!(edits(&steering, redirected), [pod], "it was kept the first time");
    }

    #[test]
    fn a_dynamic_host_leaves_the_authority_alone() {
        let head = Head { authority: Some(b"mcp.example"), ..Head::default() };
        assert_eq!(
            edits(&Steering::DynamicHost(pods()), head),
            [
                Edit::FilterState("envoy.upstream.dynamic_host", "a-2.b.c.svc.d".into()),
                Edit::FilterState("envoy.upstream.dynamic_port", "80".into()),
                Edit::Set("x-podpin-host".into(), b"a-2.b.c.svc.d:80".to_vec()),
            ]
        );
    }

    #[test]
    fn an_endpoint_is_out_of_reach_of_steering_by_name() {
        let endpoint = Place::Endpoint("10.0.0.1:80".parse().unwrap());
        for steering in [Steering::Authority(pods()), Steering::DynamicHost(pods())] {
            assert!(steering.reaches(Place::Pod(Ordinal(2))) && !steering.reaches(endpoint));
            assert_eq!(steering.edits(&mut Asked::default(), endpoint).count(), 0);
        }
    }

    #[test]
    fn steering_headers_are_known_by_name_and_by_prefix() {
        let names = [
            "x-envoy-original-dst-host",
            "x-podpin-host",
            "x-podpin-",
            "x-podpin",
            "x-envoy-original-dst-hosts",
            "x-forwarded-host",
        ];
        let headers: Vec<_> = names.iter().map(|name| (name, "10.0.0.1:80")).collect();
        let steering = Steering::Authority(pods());
        let head = Head::read(&headers, |name| steering.is_steering(name));
        assert_eq!(head.client_steering, names[..3]);
    }
}
