//! The Envoys as clients know them.

use std::sync::Mutex;

use anyhow::Result;
use kit::envoy::Envoy;
use kit::link::Balancer;
use std::net::SocketAddr;

use crate::dice::Dice;

pub(crate) const ENVOYS: usize = 2;

/// One start of an Envoy.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Running {
    pub(crate) number: usize,
    pub(crate) start: u32,
    pub(crate) address: SocketAddr,
    pub(crate) pid: u32,
}

pub(crate) struct Fleet {
    running: Mutex<[Option<Running>; ENVOYS]>,
    starts: Mutex<u32>,
    /// For clients that know one address only.
    balancer: Balancer,
}

impl Fleet {
    pub(crate) async fn of(envoys: &[Envoy; ENVOYS]) -> Result<Self> {
        let balancer = Balancer::over(Vec::new()).await?;
        let fleet = Self { running: Mutex::default(), starts: Mutex::default(), balancer };
        for (number, envoy) in envoys.iter().enumerate() {
            fleet.add(number, envoy);
        }
        Ok(fleet)
    }

    pub(crate) fn add(&self, number: usize, envoy: &Envoy) {
        let start = {
            let mut starts = self.starts.lock().unwrap();
            *starts += 1;
            *starts
        };
        let running = Running { number, start, address: envoy.address, pid: envoy.pid() };
        self.set(number, Some(running));
    }

    pub(crate) fn remove(&self, number: usize) {
        self.set(number, None);
    }

    fn set(&self, number: usize, running: Option<Running>) {
        let mut all = self.running.lock().unwrap();
        all[number] = running;
        self.balancer.set(all.iter().flatten().map(|it| it.address).collect());
    }

    pub(crate) fn running(&self) -> Vec<Running> {
        self.running.lock().unwrap().iter().flatten().copied().collect()
    }

    /// Those that run, in any order.
    pub(crate) fn in_any_order(&self, dice: &mut Dice) -> Vec<Running> {
        let mut running = self.running();
        if dice.once_in(2) {
            running.reverse();
        }
        running
    }

    /// The address that stands for all.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.balancer.address)
    }
}
