//! Sessions that move between two Envoys without a store, and outlive both.

use anyhow::{Result, bail};
use kit::dns::{Dns, any_port, pod_ip};
use kit::envoy::Envoy;
use kit::link::Balancer;
use kit::pods::{App, Pods};
use kit::sealed::sealed_by_env;
use kit::setup::on_free_ports;

use crate::report::{Outcome, table};
use crate::shared::{SESSIONS, calls, open};

pub(crate) async fn run() -> Result<()> {
    println!("{SESSIONS} sessions on 3 pods behind two Envoys that share nothing but a key\n");
    let pods = Pods::start(3, None, App::Stateful)?;
    let dns = Dns::start(any_port(), &[0, 1, 2].map(pod_ip)).await?;
    let example = sealed_by_env(on_free_ports("envoy.yaml", &pods, &dns)?);
    let (one, other) = (Envoy::start(&example).await?, Envoy::start(&example).await?);
    let door = Balancer::over(vec![one.address]).await?;
    let (mut sessions, per_pod) = open(&door, &pods).await?;
    let mut outcomes = vec![calls("first Envoy", per_pod, &mut sessions).await?];
    door.set(vec![other.address]);
    outcomes.push(calls("second Envoy", per_pod, &mut sessions).await?);
    drop((one, other));
    let (one, other) = (Envoy::start(&example).await?, Envoy::start(&example).await?);
    println!("both Envoys were killed and started again");
    door.set(vec![one.address, other.address]);
    outcomes.push(calls("both, restarted", per_pod, &mut sessions).await?);
    table(&outcomes);
    match outcomes.iter().map(Outcome::lost).sum() {
        0 => Ok(()),
        lost => bail!("{lost} calls were lost"),
    }
}
