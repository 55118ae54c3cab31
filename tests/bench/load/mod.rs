//! Requests over connections that are kept open, and what they cost a proxy.
//!
//! A thread for each connection: nothing is leaner than a blocking call, and the kernel's timers are
//! finer than those of a runtime.

mod lane;
pub(crate) mod message;
pub(crate) mod session;
pub(crate) mod turn;

use std::fs;
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use kit::client::Ask;

use self::lane::Lane;
use self::session::{Client, Request, Session};
use self::turn::Turn;

/// What is asked, and on whose behalf.
pub(crate) struct Target<'a> {
    pub(crate) address: SocketAddr,
    /// The process whose time counts.
    pub(crate) pid: u32,
    pub(crate) client: Client,
    /// Those to choose from; none if the request is of no session.
    pub(crate) sessions: &'a [Session],
}

/// Clients of one proxy that all ask the same.
pub(crate) struct Load<'a> {
    target: Target<'a>,
    request: Request,
    lanes: Vec<Lane>,
}

impl<'a> Load<'a> {
    pub(crate) fn on(target: Target<'a>, ask: &Ask, connections: usize) -> Result<Self> {
        let lanes = (0..connections).map(|number| Lane::to(target.address, number as u64));
        let lanes = lanes.collect::<Result<_>>()?;
        Ok(Self { target, request: Request::new(ask), lanes })
    }

    /// Asks as fast as the proxy answers.
    pub(crate) fn full(&mut self, time: Duration) -> Result<Turn> {
        let end = Instant::now() + time;
        self.turn(|_, lane, target, request| {
            let mut turn = Turn::default();
            let mut now = Instant::now();
            while now < end {
                let start = now;
                lane.call(target, request, &mut turn)?;
                now = Instant::now();
                turn.took(now - start);
            }
            Ok(turn)
        })
    }

    /// Asks so often in a second, whether the proxy keeps up or not.
    pub(crate) fn paced(&mut self, rate: f64, time: Duration) -> Result<Turn> {
        let lanes = self.lanes.len() as f64;
        let start = Instant::now();
        self.turn(|number, lane, target, request| {
            let mut turn = Turn::default();
            for place in 0_u32.. {
                let since =
                    Duration::from_secs_f64((f64::from(place) * lanes + number as f64) / rate);
                if since >= time {
                    break;
                }
                // One that is late has waited since it was due; how late a timer is does not count.
                let mut begin = start + since;
                let early = begin.saturating_duration_since(Instant::now());
                if !early.is_zero() {
                    thread::sleep(early);
                    begin = Instant::now();
                }
                lane.call(target, request, &mut turn)?;
                turn.took(begin.elapsed());
            }
            Ok(turn)
        })
    }

    /// Opens so many sessions, as fast as the proxy does.
    pub(crate) fn open(mut self, count: usize) -> Result<(Vec<Session>, Turn)> {
        let each = count.div_ceil(self.lanes.len());
        let mut all = Vec::with_capacity(count);
        let opened = std::sync::Mutex::new(&mut all);
        let turn = self.turn(|_, lane, target, request| {
            let mut turn = Turn::default();
            let mut sessions = Vec::with_capacity(each);
            for _ in 0..each {
                lane.call(target, request, &mut turn)?;
                sessions.push(lane.opened(target.client)?);
            }
            opened.lock().map_err(|error| anyhow!("{error}"))?.append(&mut sessions);
            Ok(turn)
        })?;
        all.truncate(count);
        Ok((all, turn))
    }

    /// Has each connection do this at once, and adds up.
    fn turn(
        &mut self,
        work: impl Fn(usize, &mut Lane, &Target, &Request) -> Result<Turn> + Sync,
    ) -> Result<Turn> {
        let Self { target, request, lanes } = self;
        let (target, request, work) = (&*target, &*request, &work);
        let (before, start) = (processor_time(target.pid)?, Instant::now());
        let mut turn = thread::scope(|scope| {
            let lanes = lanes.iter_mut().enumerate();
            let work = lanes
                .map(|(number, lane)| scope.spawn(move || work(number, lane, target, request)))
                .collect::<Vec<_>>();
            work.into_iter().try_fold(Turn::default(), |mut turn, work| {
                turn += work.join().map_err(|_| anyhow!("a client panicked"))??;
                anyhow::Ok(turn)
            })
        })?;
        turn.seconds = start.elapsed().as_secs_f64();
        turn.processor = processor_time(target.pid)? - before;
        Ok(turn)
    }
}

/// Seconds that the threads of a process have spent on a processor (Linux, schedstat).
fn processor_time(pid: u32) -> Result<f64> {
    let mut total = 0.0;
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        let stat = fs::read_to_string(task?.path().join("schedstat"))?;
        total += stat.split_whitespace().next().context("schedstat")?.parse::<f64>()?;
    }
    Ok(total / 1e9)
}
