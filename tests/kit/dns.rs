//! A DNS server that answers for a Service, a headless Service and its pods, as a cluster's does.

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use anyhow::{Context, Result, anyhow};
use async_trait::async_trait;
use hickory_server::Server;
use hickory_server::net::runtime::Time;
use hickory_server::proto::op::{Header, HeaderCounts};
use hickory_server::proto::rr::rdata::{A, AAAA, SOA};
use hickory_server::proto::rr::{Name, RData, Record, RecordSet, RecordType, RrKey};
use hickory_server::server::{Request, RequestHandler, ResponseHandler, ResponseInfo};
use hickory_server::store::in_memory::InMemoryZoneHandler;
use hickory_server::zone_handler::{AxfrPolicy, Catalog, ZoneType};
use tokio::net::UdpSocket;

use crate::{DOMAIN, STATEFUL_SET};

/// The name of the Service in front of the pods that are ready.
pub const SERVICE: &str = "mcp-myserver.default.svc.cluster.local";

/// The name of a headless Service of the pods that are ready.
pub const READY: &str = "mcp-myserver-ready.default.svc.cluster.local";

/// The zone of all names.
const ZONE: &str = "cluster.local";
/// Seconds for which a response may be kept, as the DNS of Kubernetes has it.
const TTL: u32 = 5;

pub struct Dns {
    pub address: SocketAddr,
    zone: Arc<InMemoryZoneHandler>,
    queries: Arc<Mutex<Queries>>,
    _server: Server<Noting>,
}

/// What was asked, and what is not answered, by name without the dot at its end.
#[derive(Default)]
struct Queries {
    asked: HashMap<String, usize>,
    ignored: HashSet<String>,
}

impl Dns {
    /// Answers on `address` for pods at `pods`, ordinal by ordinal, all of them ready.
    pub async fn start(address: SocketAddr, pods: &[Ipv4Addr]) -> Result<Self> {
        let origin = absolute(ZONE)?;
        let soa = SOA::new(origin.clone(), origin.clone(), 1, 60, 60, 60, TTL);
        let mut records = RecordSet::new(origin.clone(), RecordType::SOA, 1);
        records.insert(Record::from_rdata(origin.clone(), TTL, RData::SOA(soa)), 1);
        let zone = InMemoryZoneHandler::new(
            origin.clone(),
            [(RrKey::new(origin.clone().into(), RecordType::SOA), records)].into(),
            ZoneType::Primary,
            AxfrPolicy::Deny,
        );
        let zone = Arc::new(zone.map_err(|error| anyhow!(error))?);
        let mut catalog = Catalog::new();
        catalog.upsert(origin.into(), vec![zone.clone()]);
        let queries = Arc::<Mutex<Queries>>::default();
        let mut server = Server::new(Noting { catalog, queries: queries.clone() });
        let socket = UdpSocket::bind(address)
            .await
            .with_context(|| format!("no DNS server can listen on {address}"))?;
        let address = socket.local_addr()?;
        server.register_socket(socket);
        let dns = Self { address, zone, queries, _server: server };
        let ordinals = (0..pods.len()).collect::<Vec<_>>();
        let pods: Vec<_> = pods.iter().copied().map(Some).collect();
        dns.set(&pods, &ordinals).await?;
        Ok(dns)
    }

    /// Makes these the pods, ordinal by ordinal: one without an address has no name. The Services in
    /// front of them have only those of the ordinals in `ready`; its address stands for theirs in a cluster.
    pub async fn set(&self, pods: &[Option<Ipv4Addr>], ready: &[usize]) -> Result<()> {
        let ready = ready.iter().filter_map(|ordinal| *pods.get(*ordinal)?).collect::<Vec<_>>();
        let mut names = vec![
            (absolute(SERVICE)?, ready.clone()),
            (absolute(READY)?, ready),
            (absolute(DOMAIN)?, pods.iter().flatten().copied().collect::<Vec<_>>()),
        ];
        for (ordinal, ip) in pods.iter().enumerate() {
            names.push((absolute(&pod_name(ordinal))?, ip.iter().copied().collect()));
        }
        let mut records = self.zone.records_mut().await;
        records.retain(|key, _| key.record_type != RecordType::A);
        for (name, ips) in names.into_iter().filter(|(_, ips)| !ips.is_empty()) {
            let mut set = RecordSet::new(name.clone(), RecordType::A, 1);
            for ip in ips {
                set.insert(Record::from_rdata(name.clone(), TTL, RData::A(A(ip))), 1);
            }
            records.insert(RrKey::new(name.into(), RecordType::A), Arc::new(set));
        }
        Ok(())
    }

    /// Makes this a pod too, of an ordinal beyond those of [`Dns::set`].
    pub async fn add_ipv6(&self, ordinal: usize, ip: Ipv6Addr) -> Result<()> {
        let mut records = self.zone.records_mut().await;
        for name in [DOMAIN.to_owned(), format!("{STATEFUL_SET}-{ordinal}.{DOMAIN}")] {
            let name = absolute(&name)?;
            let mut set = RecordSet::new(name.clone(), RecordType::AAAA, 1);
            set.insert(Record::from_rdata(name.clone(), TTL, RData::AAAA(AAAA(ip))), 1);
            records.insert(RrKey::new(name.into(), RecordType::AAAA), Arc::new(set));
        }
        Ok(())
    }

    /// How often a name was asked for, answered or not.
    pub fn asked(&self, name: &str) -> usize {
        self.queries.lock().unwrap().asked.get(name).copied().unwrap_or(0)
    }

    /// From now on leaves queries for a name unanswered, or answers them again.
    pub fn ignore(&self, name: &str, ignored: bool) {
        let names = &mut self.queries.lock().unwrap().ignored;
        if ignored {
            names.insert(name.to_owned())
        } else {
            names.remove(name)
        };
    }
}

/// Writes down every query.
struct Noting {
    catalog: Catalog,
    queries: Arc<Mutex<Queries>>,
}

impl Noting {
    /// Whether the query is to be answered.
    fn note(&self, request: &Request) -> bool {
        let Ok(info) = request.request_info() else { return true };
        let name = info.query.name().to_string();
        let name = name.trim_end_matches('.');
        let queries = &mut *self.queries.lock().unwrap();
        *queries.asked.entry(name.to_owned()).or_default() += 1;
        !queries.ignored.contains(name)
    }
}

#[async_trait]
impl RequestHandler for Noting {
    async fn handle_request<R: ResponseHandler, T: Time>(
        &self,
        request: &Request,
        response: R,
    ) -> ResponseInfo {
        if self.note(request) {
            return self.catalog.handle_request::<R, T>(request, response).await;
        }
        Header { metadata: request.metadata, counts: HeaderCounts::default() }.into()
    }
}

fn absolute(name: &str) -> Result<Name> {
    Ok(format!("{name}.").parse()?)
}

/// The DNS name of the pod with this ordinal.
pub fn pod_name(ordinal: usize) -> String {
    format!("{STATEFUL_SET}-{ordinal}.{DOMAIN}")
}

/// The loopback address of the pod with this ordinal: 127.0.1.1 for the first.
pub fn pod_ip(ordinal: usize) -> Ipv4Addr {
    Ipv4Addr::new(127, 0, 1, ordinal as u8 + 1)
}

/// Any port of 127.0.0.1.
pub fn any_port() -> SocketAddr {
    (IpAddr::from(Ipv4Addr::LOCALHOST), 0).into()
}
