//! How a request is sent to a chosen pod: by edits that the proxy's routing understands.

use crate::request::Head;
use crate::workload::{Ordinal, StatefulSet};

/// The header that carries the pod's authority in [`Steering::DynamicHost`].
pub const POD_HOST: &str = "x-podpin-host";

/// Headers by which Envoy, or a route made for Podpin, takes an upstream address. A client must
/// never choose one, so they are removed from every request.
const STEERING: &[u8] = b"x-envoy-original-dst-host";
const STEERING_PREFIX: &[u8] = b"x-podpin-";

/// Whether a request header of this name is removed if a client sends it.
pub fn is_steering(name: &[u8]) -> bool {
    name == STEERING || name.starts_with(STEERING_PREFIX)
}

/// How the proxy is told which pod to use.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Steering {
    /// `:authority` becomes the pod's DNS name and port; the client's is kept at the end of
    /// `x-forwarded-host`, where Envoy's `append_x_forwarded_host` would put it.
    Authority,
    /// `:authority` stays, for servers that check it. The pod's DNS name goes to Envoy's dynamic
    /// forward proxy as filter state, and into `x-podpin-host` for routes to match.
    DynamicHost,
}

/// One change to a request.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Edit {
    /// Set a header to one value.
    Header(&'static str, Vec<u8>),
    /// Set one of Envoy's well-known filter-state objects (Envoy, "Well Known Filter State
    /// Objects").
    FilterState(&'static str, String),
}

impl Steering {
    /// What sends a request to a pod.
    pub fn edits(
        self,
        head: &Head<'_>,
        workload: &StatefulSet,
        pod: Ordinal,
    ) -> impl Iterator<Item = Edit> {
        let edits = match self {
            Self::Authority => [
                head.authority.map(|asked| {
                    Edit::Header("x-forwarded-host", appended(head.forwarded_host, asked))
                }),
                Some(Edit::Header(":authority", workload.authority(pod).into_bytes())),
                None,
            ],
            Self::DynamicHost => [
                Some(Edit::FilterState("envoy.upstream.dynamic_host", workload.host(pod))),
                Some(Edit::FilterState("envoy.upstream.dynamic_port", workload.port.to_string())),
                Some(Edit::Header(POD_HOST, workload.authority(pod).into_bytes())),
            ],
        };
        edits.into_iter().flatten()
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

    fn edits(steering: Steering, head: Head<'_>) -> Vec<Edit> {
        let workload = StatefulSet {
            name: "a".into(),
            service: "b".into(),
            namespace: "c".into(),
            cluster_domain: "d".into(),
            port: 80,
            replicas: 3,
        };
        steering.edits(&head, &workload, Ordinal(2)).collect()
    }

    #[test]
    fn the_authority_becomes_the_pod_and_the_old_one_is_kept() {
        let pod = Edit::Header(":authority", b"a-2.b.c.svc.d:80".to_vec());
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
            let kept = Edit::Header("x-forwarded-host", kept.to_vec());
            assert_eq!(edits(Steering::Authority, head), [kept, pod.clone()]);
        }
        assert_eq!(edits(Steering::Authority, Head::default()), [pod]);
    }

    #[test]
    fn a_dynamic_host_leaves_the_authority_alone() {
        let head = Head { authority: Some(b"mcp.example"), ..Head::default() };
        assert_eq!(
            edits(Steering::DynamicHost, head),
            [
                Edit::FilterState("envoy.upstream.dynamic_host", "a-2.b.c.svc.d".into()),
                Edit::FilterState("envoy.upstream.dynamic_port", "80".into()),
                Edit::Header("x-podpin-host", b"a-2.b.c.svc.d:80".to_vec()),
            ]
        );
    }

    #[test]
    fn steering_headers_are_known_by_name_and_by_prefix() {
        for (name, wanted) in [
            ("x-envoy-original-dst-host", true),
            ("x-podpin-host", true),
            ("x-podpin-", true),
            ("x-podpin", false),
            ("x-envoy-original-dst-hosts", false),
            ("x-forwarded-host", false),
        ] {
            assert_eq!(is_steering(name.as_bytes()), wanted, "{name}");
        }
    }
}
