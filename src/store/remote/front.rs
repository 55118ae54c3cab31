//! The HTTP front of the Redis: commands out, replies in, and a word to the log now and then.

use std::time::Duration;

use log::{info, warn};

use super::RedisConfig;
use super::dialect::{Fault, Reply};
use crate::host::{CallId, CallResponse, Callout, Host, Refused, Secret};
use crate::lock::Lock;
use crate::session::Timestamp;
use crate::telemetry::{Metric, Throttle};

/// What is wrong with the store is told to the log at most so often.
const TOLD_EVERY: Duration = Duration::from_secs(10);

/// Where commands go.
#[derive(Debug)]
pub(super) struct Front {
    redis: RedisConfig,
    told: Lock<Told>,
}

/// What the log was told.
#[derive(Clone, Copy, Debug, Default)]
struct Told {
    /// When it last was.
    throttle: Throttle,
    /// That the store fails, and not yet that it answers again.
    fails: bool,
}

impl Front {
    pub(super) fn new(redis: RedisConfig) -> Self {
        Self { redis, told: Lock::default() }
    }

    /// Sends a command, if the proxy can.
    pub(super) fn send(
        &self,
        host: &mut impl Host,
        command: &[String],
        now: Timestamp,
    ) -> Result<CallId, Refused> {
        let callout = Callout {
            cluster: self.redis.cluster.clone(),
            method: "POST",
            // Access logs hold paths, so commands travel in bodies.
            path: "/".to_owned(),
            authority: self.redis.authority.clone(),
            headers: self.headers(),
            body: self.redis.dialect.request(command),
            timeout: self.redis.timeout,
        };
        let sent = host.call(&callout);
        if sent.is_err() {
            self.fault(
                host,
                &format!("the proxy cannot send to its cluster {}", callout.cluster),
                now,
            );
        }
        sent
    }

    /// Reads a reply.
    pub(super) fn reply(
        &self,
        host: &mut impl Host,
        response: &CallResponse,
        now: Timestamp,
    ) -> Result<Reply, Fault> {
        let reply = self.redis.dialect.reply(response);
        if let Err(fault) = &reply {
            self.fault(host, &fault.to_string(), now);
        }
        reply
    }

    /// Tells counters and the log of a failure.
    pub(super) fn fault(&self, host: &mut impl Host, fault: &str, now: Timestamp) {
        host.count(Metric::StoreFaults);
        if self.may_tell(now, true) {
            warn!("the store fails: {fault}");
        }
    }

    /// Tells counters and the log of a value that is not trusted.
    pub(super) fn untrusted(&self, host: &mut impl Host, fault: &str, now: Timestamp) {
        host.count(Metric::StoreUntrusted);
        if self.may_tell(now, false) {
            warn!("{fault}");
        }
    }

    /// Tells the log that all is well, if it was told otherwise.
    pub(super) fn is_well(&self) {
        if std::mem::take(&mut self.told.lock().fails) {
            info!("the store answers again");
        }
    }

    fn may_tell(&self, now: Timestamp, fails: bool) -> bool {
        let mut told = self.told.lock();
        let may = told.throttle.admits(now, TOLD_EVERY);
        told.fails |= may && fails;
        may
    }

    fn headers(&self) -> Vec<(String, Secret)> {
        let json = ("content-type", Secret("application/json".to_owned()));
        let authorization = self.redis.authorization.clone();
        let all = [json].into_iter().chain(authorization.map(|value| ("authorization", value)));
        all.map(|(name, value)| (name.to_owned(), value)).collect()
    }
}
