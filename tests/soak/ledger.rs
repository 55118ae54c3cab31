//! What was broken when and where, and so what explains the loss of a call.

use std::sync::Mutex;
use std::time::{Duration, Instant};

/// How long after a trouble's end a pod may still seem to be away: Envoy keeps what DNS said for the
/// record's 5 s and asks again after one, and a pod is ejected for a second at least.
const POD_SETTLES: Duration = Duration::from_secs(10);

/// The same of the store: a worker thread asks one that failed once a second only.
const STORE_SETTLES: Duration = Duration::from_secs(5);

/// How long an emptied Redis may lack a session that is in use: Envoys write uses back after a tenth of the
/// idle time-out.
const WRITTEN_BACK: Duration = Duration::from_secs(30);

/// `session.idle_timeout`.
pub(crate) const IDLE_TIMEOUT: &str = "200s";

/// What is broken.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum What {
    Pod(usize, Pod),
    Envoy(usize),
    Redis { is_emptied: bool },
    Webdis,
}

/// How a pod is broken.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Pod {
    Killed,
    /// DNS does not know it.
    Nameless,
    Slow,
    /// It answers 500.
    Errors,
}

/// Why something was lost.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Cause {
    Pod,
    Envoy,
    /// It was down, and kept its data.
    Redis,
    /// It lost its data.
    Emptied,
    Webdis,
    /// Nothing that was done explains it.
    None,
}

impl Cause {
    pub(crate) const ALL: [Self; 6] =
        [Self::Pod, Self::Envoy, Self::Redis, Self::Emptied, Self::Webdis, Self::None];
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    pub(crate) what: What,
    pub(crate) from: Instant,
    /// None while it is broken.
    until: Option<Instant>,
}

/// Where something was lost; what is not known may be any.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) pod: Option<usize>,
    pub(crate) envoy: Option<usize>,
    /// Whether this Envoy has served the session, and so needs no store.
    pub(crate) knows: bool,
}

/// What was lost.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Loss {
    /// A session that was opened after this.
    Session(Instant),
    /// A stream that was opened after this.
    Stream(Instant),
    /// A call that began then; none is a connection that ended.
    Call(Instant, Option<u16>),
}

#[derive(Default)]
pub(crate) struct Ledger(Mutex<Vec<Entry>>);

impl Ledger {
    /// Notes what is about to be broken.
    pub(crate) fn begin(&self, what: What) -> usize {
        let mut entries = self.0.lock().unwrap();
        entries.push(Entry { what, from: Instant::now(), until: None });
        entries.len() - 1
    }

    /// Notes that it is whole again.
    pub(crate) fn end(&self, number: usize) {
        self.0.lock().unwrap()[number].until = Some(Instant::now());
    }

    pub(crate) fn entries(&self) -> Vec<Entry> {
        self.0.lock().unwrap().clone()
    }

    /// Why something was lost just now.
    pub(crate) fn explain(&self, place: Place, loss: Loss) -> Cause {
        let entries = self.0.lock().unwrap();
        let causes = entries.iter().rev().filter_map(|entry| entry.explains(place, loss));
        causes.min().unwrap_or(Cause::None)
    }

    /// Whether something was broken since then that ends streams of this pod.
    pub(crate) fn cuts_since(&self, pod: usize, then: Instant) -> bool {
        self.0.lock().unwrap().iter().any(|entry| match entry.what {
            What::Pod(ordinal, Pod::Killed | Pod::Nameless) if ordinal != pod => false,
            What::Pod(..) | What::Envoy(_) => entry.is_felt_since(then, Duration::ZERO),
            What::Redis { .. } | What::Webdis => false,
        })
    }
}

// === impl Entry ===

impl Entry {
    fn explains(&self, place: Place, loss: Loss) -> Option<Cause> {
        match self.what {
            What::Pod(ordinal, how) if place.pod.is_none_or(|pod| pod == ordinal) => {
                self.of_pod(how, loss).then_some(Cause::Pod)
            }
            What::Envoy(number) if place.envoy.is_none_or(|envoy| envoy == number) => {
                let explains = match loss {
                    Loss::Session(_) => false,
                    Loss::Stream(since) => self.from >= since,
                    Loss::Call(began, status) => {
                        status.is_none() && self.is_felt_since(began, Duration::ZERO)
                    }
                };
                explains.then_some(Cause::Envoy)
            }
            What::Pod(..) | What::Envoy(_) => None,
            _ if place.knows => None,
            What::Redis { is_emptied } => {
                let forgot = match loss {
                    Loss::Session(since) => {
                        is_emptied
                            && self.from >= since
                            && self.is_felt_since(Instant::now(), WRITTEN_BACK)
                    }
                    _ => false,
                };
                let cause = if is_emptied { Cause::Emptied } else { Cause::Redis };
                (forgot || self.is_away(loss)).then_some(cause)
            }
            What::Webdis => self.is_away(loss).then_some(Cause::Webdis),
        }
    }

    fn of_pod(&self, how: Pod, loss: Loss) -> bool {
        let now = Instant::now();
        match (how, loss) {
            (Pod::Killed, Loss::Session(since) | Loss::Stream(since)) if self.from >= since => true,
            // An Envoy may look for it where it was.
            (Pod::Killed | Pod::Nameless, Loss::Session(_) | Loss::Stream(_)) => {
                self.is_felt_since(now, POD_SETTLES)
            }
            (Pod::Killed | Pod::Nameless, Loss::Call(began, None | Some(503 | 504))) => {
                self.is_felt_since(began, POD_SETTLES)
            }
            (Pod::Errors, Loss::Call(began, Some(500))) => {
                self.is_felt_since(began, Duration::ZERO)
            }
            _ => false,
        }
    }

    /// Whether the store could not be asked.
    fn is_away(&self, loss: Loss) -> bool {
        matches!(loss, Loss::Call(began, Some(503)) if self.is_felt_since(began, STORE_SETTLES))
    }

    /// Whether it was broken at some time after `then`, or so shortly before.
    fn is_felt_since(&self, then: Instant, settles: Duration) -> bool {
        self.until.is_none_or(|until| until + settles >= then)
    }
}

#[cfg(test)]
mod tests;
