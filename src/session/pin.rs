//! A pin: where a session lives and since when.

use std::net::SocketAddr;
use std::time::Duration;

use super::{Subject, Timestamp, User};
use crate::pods::Place;

/// Binds a session to the pod that opened it. All but `used_at` stays as it is while the session
/// lives, so any copy of a pin may be trusted until the pod itself answers 404.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Pin {
    /// Where it lives.
    pub place: Place,
    /// The address that answered `initialize`: tells one incarnation of a pod from the next.
    /// Unknown if the proxy did not tell.
    pub incarnation: Option<SocketAddr>,
    /// Who opened it; `None` if it is bound to nobody.
    pub subject: Option<Subject>,
    /// When `initialize` was answered.
    pub bound_at: Timestamp,
    /// When the session was last used, to within a tenth of the idle timeout.
    pub used_at: Timestamp,
}

impl Pin {
    /// Whether `user` may use the session. One that is bound to nobody is whoever's has its id.
    pub fn is_open_to(&self, user: User) -> bool {
        match (self.subject, user) {
            (None, _) | (_, User::Itself) => true,
            (Some(subject), User::Client(by)) => by == Some(subject),
        }
    }
}

/// How long a pin holds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Lifetime {
    /// A session without a request or an open stream for this long is forgotten.
    pub idle_timeout: Duration,
    /// No session lives longer than this, used or not.
    pub max_age: Duration,
}

impl Lifetime {
    /// Whether `pin` is still good at `now`.
    pub fn covers(&self, pin: &Pin, now: Timestamp) -> bool {
        now.since(pin.used_at) < self.idle_timeout && now.since(pin.bound_at) < self.max_age
    }

    /// Whether a use at `now` is to be written down: at most once every tenth of the idle
    /// timeout, to keep writes off the hot path.
    pub fn wants_refresh(&self, used_at: Timestamp, now: Timestamp) -> bool {
        now.apart(used_at) >= self.idle_timeout / 10
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pods::Ordinal;

    #[test]
    fn a_pin_ends_by_idleness_or_by_age() {
        let lifetime = Lifetime {
            idle_timeout: Duration::from_millis(100),
            max_age: Duration::from_millis(1000),
        };
        let pin = |bound_at, used_at| Pin {
            place: Place::Pod(Ordinal(0)),
            incarnation: None,
            subject: None,
            bound_at: Timestamp(bound_at),
            used_at: Timestamp(used_at),
        };
        for (about, pin, now, covered) in [
            ("fresh", pin(500, 500), 500, true),
            ("one millisecond before it idles out", pin(500, 500), 599, true),
            ("idle", pin(500, 500), 600, false),
            ("in use, one millisecond before its age", pin(500, 1450), 1499, true),
            ("in use, too old", pin(500, 1450), 1500, false),
            ("the clock was set back", pin(500, 500), 3, true),
        ] {
            assert_eq!(lifetime.covers(&pin, Timestamp(now)), covered, "{about}");
        }
        assert!(!lifetime.wants_refresh(Timestamp(500), Timestamp(509)));
        assert!(lifetime.wants_refresh(Timestamp(500), Timestamp(510)));
        assert!(lifetime.wants_refresh(Timestamp(500), Timestamp(490)), "a clock was set back");
    }
}
