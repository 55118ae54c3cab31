//! What is known of one pod.

use std::net::SocketAddr;
use std::time::Duration;

use crate::session::{Pin, Timestamp};

/// The longest that a pod gets no new session by one ejection.
const LONGEST: Duration = Duration::from_secs(300);

/// What is known of one pod, or of one endpoint.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Known {
    /// When it last seemed to have restarted: connections failed, it did not know a session. Those that
    /// were bound before may be lost. Zero if it never did.
    pub restarted_at: Timestamp,
    /// The address at which it was found to know a session that another address had opened.
    pub keeps_at: Option<SocketAddr>,
    /// How many sessions are known there, expired ones included.
    pub sessions: u32,
    /// How many of these had expired when they were last counted.
    pub expired: u32,
    /// Its last ejection, if there was one lately.
    pub ejection: Option<Ejection>,
}

/// That a pod gets no new sessions.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Ejection {
    /// Not before this does it get any, to within a second.
    pub until: Timestamp,
    /// How many there were in a row; the first is 1. Zero if it was not tried, and only is not taken for
    /// granted since one before it is not there.
    pub times: u8,
    /// It has answered a request since.
    pub answers: bool,
    /// It gets sessions again.
    pub is_over: bool,
    /// The proxy's name of the cluster by which it is reached.
    pub cluster: String,
}

impl Ejection {
    /// Whether it may end at `now`. Who looks does so once a second, and the next time is too late.
    pub fn may_end(&self, now: Timestamp) -> bool {
        now.0.saturating_add(999) >= self.until.0
    }
}

impl Known {
    /// Whether the session of `pin`, which `answered_by` answers for now, may have been lost by a restart.
    pub fn may_have_lost(&self, pin: &Pin, answered_by: Option<SocketAddr>) -> bool {
        let has_moved = match (pin.incarnation, answered_by) {
            (Some(opened_by), Some(by)) => opened_by != by && self.keeps_at != Some(by),
            _ => false,
        };
        has_moved || pin.bound_at < self.restarted_at
    }

    /// It seems to have restarted.
    pub fn restarted(&mut self, now: Timestamp) -> bool {
        let is_news = now > self.restarted_at;
        self.restarted_at = self.restarted_at.max(now);
        is_news
    }

    /// It knows the session of `pin`, though it may have lost that.
    pub fn keeps(&mut self, pin: &Pin, answered_by: Option<SocketAddr>) -> bool {
        let before = (self.restarted_at, self.keeps_at);
        self.restarted_at = self.restarted_at.min(pin.bound_at);
        if answered_by.is_some() && answered_by != pin.incarnation {
            self.keeps_at = answered_by;
        }
        before != (self.restarted_at, self.keeps_at)
    }

    /// How many sessions live there.
    pub fn live(&self) -> u32 {
        self.sessions.saturating_sub(self.expired)
    }

    /// Whether it gets no new sessions.
    pub fn is_out(&self) -> bool {
        self.ejection.as_ref().is_some_and(|ejection| !ejection.is_over)
    }

    /// Whether it does not because it was tried in vain.
    pub fn has_failed(&self) -> bool {
        self.is_out() && self.ejection.as_ref().is_some_and(|ejection| ejection.times > 0)
    }

    /// It could not be reached: it gets no new sessions for `least`, for longer if it was out just
    /// before.
    pub fn eject(&mut self, now: Timestamp, least: Duration, cluster: Option<String>) -> bool {
        let times = match &self.ejection {
            Some(ejection) if !ejection.is_over && ejection.times > 0 => return false,
            Some(last) if now.apart(last.until) < span(least, last.times) => {
                last.times.saturating_add(1)
            }
            _ => 1,
        };
        let until = Timestamp(now.0.saturating_add(span(least, times).as_millis() as u64));
        let cluster = cluster.unwrap_or_default();
        self.ejection = Some(Ejection { until, times, answers: false, is_over: false, cluster });
        true
    }

    /// It was not tried, but another is not there: it gets new sessions once it has answered.
    pub fn doubt(&mut self, now: Timestamp, cluster: String) {
        let (until, times) = (now, 0);
        self.ejection = Some(Ejection { until, times, answers: false, is_over: false, cluster });
    }

    /// It has answered. It gets new sessions again, if it has been out for long enough.
    pub fn answered(&mut self, now: Timestamp) -> bool {
        let Some(ejection) = self.ejection.as_mut().filter(|ejection| !ejection.is_over) else {
            return false;
        };
        let before = (ejection.answers, ejection.is_over);
        ejection.answers = true;
        ejection.is_over = ejection.may_end(now);
        if ejection.is_over {
            ejection.cluster.clear();
        }
        before != (ejection.answers, ejection.is_over)
    }
}

/// How long the ejection lasts that is the `times`-th in a row.
fn span(least: Duration, times: u8) -> Duration {
    let doublings = u32::from(times.saturating_sub(1)).min(16);
    least.saturating_mul(1 << doublings).min(LONGEST.max(least))
}
