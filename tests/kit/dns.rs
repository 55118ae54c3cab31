//! A DNS server that answers for a headless Service and its pods, as a cluster's does.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use anyhow::{Context, Result, anyhow};
use hickory_server::Server;
use hickory_server::proto::rr::rdata::{A, AAAA, SOA};
use hickory_server::proto::rr::{Name, RData, Record, RecordSet, RecordType, RrKey};
use hickory_server::store::in_memory::InMemoryZoneHandler;
use hickory_server::zone_handler::{AxfrPolicy, Catalog, ZoneType};
use tokio::net::UdpSocket;

use crate::{DOMAIN, STATEFUL_SET};

/// Seconds for which a response may be kept, as the DNS of Kubernetes has it.
const TTL: u32 = 5;

pub struct Dns {
    pub address: SocketAddr,
    zone: Arc<InMemoryZoneHandler>,
    _server: Server<Catalog>,
}

impl Dns {
    /// Answers on `address` for pods at `pods`, ordinal by ordinal.
    pub async fn start(address: SocketAddr, pods: &[Ipv4Addr]) -> Result<Self> {
        let origin = absolute(DOMAIN)?;
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
        let mut server = Server::new(catalog);
        let socket = UdpSocket::bind(address)
            .await
            .with_context(|| format!("no DNS server can listen on {address}"))?;
        let address = socket.local_addr()?;
        server.register_socket(socket);
        let dns = Self { address, zone, _server: server };
        dns.set(pods).await?;
        Ok(dns)
    }

    /// Makes these the pods.
    pub async fn set(&self, pods: &[Ipv4Addr]) -> Result<()> {
        let mut names = vec![(absolute(DOMAIN)?, pods.to_vec())];
        for (ordinal, ip) in pods.iter().enumerate() {
            let pod = format!("{STATEFUL_SET}-{ordinal}.{DOMAIN}");
            names.push((absolute(&pod)?, vec![*ip]));
        }
        let mut records = self.zone.records_mut().await;
        records.retain(|key, _| key.record_type != RecordType::A);
        for (name, ips) in names {
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
}

fn absolute(name: &str) -> Result<Name> {
    Ok(format!("{name}.").parse()?)
}

/// The loopback address of the pod with this ordinal: 127.0.1.1 for the first.
pub fn pod_ip(ordinal: usize) -> Ipv4Addr {
    Ipv4Addr::new(127, 0, 1, ordinal as u8 + 1)
}

/// Any port of 127.0.0.1.
pub fn any_port() -> SocketAddr {
    (IpAddr::from(Ipv4Addr::LOCALHOST), 0).into()
}
