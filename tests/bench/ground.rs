//! What all contenders share: pods, their DNS, and a Redis behind webdis.

use anyhow::Result;
use kit::dns::{Dns, any_port, pod_ip};
use kit::redis::{Redis, Webdis};

use crate::pods::{self, PODS};

pub(crate) struct Ground {
    /// The port of the pods.
    pub(crate) pods: u16,
    pub(crate) dns: Dns,
    pub(crate) webdis: Webdis,
    _redis: Redis,
}

impl Ground {
    pub(crate) async fn start() -> Result<Self> {
        let pods = pods::start()?;
        let ips: Vec<_> = (0..PODS).map(pod_ip).collect();
        let dns = Dns::start(any_port(), &ips).await?;
        let redis = Redis::start().await?;
        let webdis = Webdis::start(&redis, None).await?;
        Ok(Self { pods, dns, webdis, _redis: redis })
    }
}
