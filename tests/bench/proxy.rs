//! A contender's process.

use std::fs;
use std::net::SocketAddr;

use anyhow::{Context, Result};
use kit::envoy::Envoy;

use crate::contender::Start;
use crate::contender::haproxy::HaProxy;
use crate::kind::Kind;
use crate::load::Load;
use crate::load::Target;
use crate::load::session::{Client, Session};
use crate::load::turn::Turn;

pub(crate) enum Proxy {
    Envoy(Envoy),
    HaProxy(HaProxy),
}

/// Requests under way at a time, one on each connection.
pub(crate) const CONNECTIONS: usize = 16;

impl Proxy {
    /// With one worker.
    pub(crate) async fn start(start: &Start) -> Result<Self> {
        Ok(match start {
            Start::Envoy(bootstrap) => Self::Envoy(Envoy::start_single(bootstrap).await?),
            Start::HaProxy(pods) => Self::HaProxy(HaProxy::start(*pods).await?),
        })
    }

    fn address(&self) -> SocketAddr {
        match self {
            Self::Envoy(envoy) => envoy.address,
            Self::HaProxy(haproxy) => haproxy.address,
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        match self {
            Self::Envoy(envoy) => envoy.pid(),
            Self::HaProxy(haproxy) => haproxy.pid(),
        }
    }

    /// The memory that it holds, in MB.
    pub(crate) fn resident(&self) -> Result<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("VmRSS")?;
        let kb: f64 = line.trim().trim_end_matches(" kB").parse()?;
        Ok(kb / 1024.0)
    }

    /// Clients of it that ask this.
    pub(crate) fn load<'a>(
        &self,
        kind: Kind,
        client: Client,
        sessions: &'a [Session],
        connections: usize,
    ) -> Result<Load<'a>> {
        let sessions = if kind.is_of_session() { sessions } else { &[] };
        let target = Target { address: self.address(), pid: self.pid(), client, sessions };
        Load::on(target, &kind.ask(), connections)
    }

    /// Opens so many sessions.
    pub(crate) fn open(&self, client: Client, count: usize) -> Result<(Vec<Session>, Turn)> {
        self.load(Kind::Initialize, client, &[], CONNECTIONS)?.open(count)
    }
}
