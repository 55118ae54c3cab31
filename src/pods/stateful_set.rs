//! The StatefulSet whose pods hold the sessions, and the names of those pods.

use std::fmt;
use std::ops::Range;

/// The most replicas a workload may have.
pub const MAX_REPLICAS: u32 = 10_000;

/// The highest number that the first pod may have.
pub const MAX_FIRST_ORDINAL: u32 = 1_000_000;

/// The number of a pod in its StatefulSet.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Ordinal(pub u32);

impl fmt::Display for Ordinal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A StatefulSet and the headless Service that governs it, which gives each pod a DNS name of its
/// own (Kubernetes, StatefulSets, "Stable Network ID").
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StatefulSet {
    /// Its name: the name of a pod without `-` and its ordinal.
    pub name: String,
    /// The headless Service that its `spec.serviceName` names.
    pub service: String,
    /// The namespace of both.
    pub namespace: String,
    /// The domain of the cluster, usually `cluster.local`.
    pub cluster_domain: String,
    /// The port on which each pod serves MCP.
    pub port: u16,
    /// How many pods take new sessions.
    pub replicas: u32,
    /// The ordinal of the first of them, `spec.ordinals.start` (Kubernetes, StatefulSets, "Start
    /// ordinal").
    pub first_ordinal: u32,
}

impl StatefulSet {
    /// The ordinals of the pods that take new sessions.
    pub fn ordinals(&self) -> Range<u32> {
        self.first_ordinal..self.first_ordinal.saturating_add(self.replicas)
    }

    /// The name of a pod: `myserver-1`.
    pub fn pod(&self, ordinal: Ordinal) -> String {
        [&self.name, "-", &ordinal.0.to_string()].concat()
    }

    /// The DNS name of a pod: `myserver-1.mcp-myserver-headless.default.svc.cluster.local`.
    pub fn host(&self, ordinal: Ordinal) -> String {
        let Self { name, service, namespace, cluster_domain, .. } = self;
        // Each request has such names made, and this allocates once where a format does so many times.
        [name, "-", &ordinal.0.to_string(), ".", service, ".", namespace, ".svc.", cluster_domain]
            .concat()
    }

    /// The pod that has this DNS name, spelled as [`StatefulSet::host`] spells it.
    pub fn pod_of(&self, host: &str) -> Option<Ordinal> {
        let Self { name, service, namespace, cluster_domain, .. } = self;
        let ordinal = host
            .strip_prefix(name.as_str())?
            .strip_prefix('-')?
            .strip_suffix(cluster_domain.as_str())?
            .strip_suffix(".svc.")?
            .strip_suffix(namespace.as_str())?
            .strip_suffix('.')?
            .strip_suffix(service.as_str())?
            .strip_suffix('.')?;
        let ordinal = Ordinal(
            ordinal.parse().ok().filter(|ordinal| *ordinal < MAX_FIRST_ORDINAL + MAX_REPLICAS)?,
        );
        (self.host(ordinal) == host).then_some(ordinal)
    }

    /// Whether this is what [`StatefulSet::authority`] makes of one of its pods.
    pub fn has_authority(&self, authority: &[u8]) -> bool {
        // Most are told by how they begin.
        authority.starts_with(self.name.as_bytes())
            && std::str::from_utf8(authority)
                .ok()
                .and_then(|authority| authority.rsplit_once(':'))
                .is_some_and(|(host, port)| {
                    self.pod_of(host).is_some() && port.parse() == Ok(self.port)
                })
    }

    /// Host and port of a pod, as an authority.
    pub fn authority(&self, ordinal: Ordinal) -> String {
        let Self { name, service, namespace, cluster_domain, port, .. } = self;
        let (ordinal, port) = (ordinal.0.to_string(), port.to_string());
        [name, "-", &ordinal, ".", service, ".", namespace, ".svc.", cluster_domain, ":", &port]
            .concat()
    }
}

impl fmt::Display for StatefulSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set() -> StatefulSet {
        StatefulSet {
            name: "myserver".into(),
            service: "mcp-myserver-headless".into(),
            namespace: "default".into(),
            cluster_domain: "cluster.local".into(),
            port: 8080,
            replicas: 3,
            first_ordinal: 0,
        }
    }

    #[test]
    fn a_pod_has_the_names_that_kubernetes_gives_it() {
        let set = set();
        let host = "myserver-2.mcp-myserver-headless.default.svc.cluster.local";
        assert_eq!(set.pod(Ordinal(2)), "myserver-2");
        assert_eq!(set.host(Ordinal(2)), host);
        assert_eq!(set.authority(Ordinal(2)), format!("{host}:8080"));
        assert_eq!(set.to_string(), "default/myserver");
    }

    #[test]
    fn a_host_is_a_pods_only_if_it_is_spelled_so() {
        let domain = "mcp-myserver-headless.default.svc.cluster.local";
        for (host, wanted) in [
            (format!("myserver-0.{domain}"), Some(0)),
            (format!("myserver-7.{domain}"), Some(7)),
            (format!("myserver-1009999.{domain}"), Some(1_009_999)),
            (format!("myserver-1010000.{domain}"), None),
            (format!("myserver-01.{domain}"), None),
            (format!("myserver-+1.{domain}"), None),
            (format!("myserver--1.{domain}"), None),
            (format!("myserver-.{domain}"), None),
            (format!("myserver-1.{domain}."), None),
            (format!("myserver-1.{domain}:8080"), None),
            (format!("Myserver-1.{domain}"), None),
            (format!("other-1.{domain}"), None),
            (format!("myserver-1.evil.{domain}"), None),
            ("myserver-1.mcp-myserver-headless.default.svc.evil.example".to_owned(), None),
            ("10.0.0.1".to_owned(), None),
            (String::new(), None),
        ] {
            assert_eq!(set().pod_of(&host), wanted.map(Ordinal), "{host}");
            let authority = format!("{host}:8080");
            assert_eq!(set().has_authority(authority.as_bytes()), wanted.is_some(), "{host}");
            assert!(!set().has_authority(format!("{host}:80").as_bytes()), "{host}");
        }
    }
}
