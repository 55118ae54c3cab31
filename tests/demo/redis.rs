//! Sessions that move between two Envoys, and outlive both.

use anyhow::{Result, bail};
use kit::link::Balancer;
use kit::mini_redis::Front;
use kit::pods::App;
use kit::setup::SharedSetup;

use crate::report::{Outcome, table};
use crate::shared::{SESSIONS, calls, open};

pub(crate) async fn run() -> Result<()> {
    println!("{SESSIONS} sessions on 3 pods behind two Envoys that share a Redis\n");
    let setup = SharedSetup::start(Front::Webdis, App::Stateful).await?;
    let (one, other) = (setup.envoy().await?, setup.envoy().await?);
    let door = Balancer::over(vec![one.address]).await?;
    let (mut sessions, per_pod) = open(&door, &setup.pods).await?;
    let mut outcomes = vec![calls("first Envoy", per_pod, &mut sessions).await?];
    door.set(vec![other.address]);
    outcomes.push(calls("second Envoy", per_pod, &mut sessions).await?);
    drop((one, other));
    let (one, other) = (setup.envoy().await?, setup.envoy().await?);
    println!("both Envoys were killed and started again");
    door.set(vec![one.address, other.address]);
    outcomes.push(calls("both, restarted", per_pod, &mut sessions).await?);
    table(&outcomes);
    println!("\n{} keys in Redis", setup.redis.keys().await);
    match outcomes.iter().map(Outcome::lost).sum() {
        0 => Ok(()),
        lost => bail!("{lost} calls were lost"),
    }
}
