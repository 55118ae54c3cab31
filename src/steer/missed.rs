//! Which endpoints were missed by requests that were steered to them. An endpoint that is gone is missed,
//! too; one that is there, and is missed all the same, shows that steering has no effect.

use std::net::SocketAddr;
use std::time::Duration;

use crate::session::Timestamp;
use crate::sorted::Sorted;

/// What was seen longer ago than this says nothing about now.
const AT_ONCE: Duration = Duration::from_secs(60);

/// So many endpoints are kept in mind.
const MOST: usize = 1000;

/// The endpoints that were missed lately and not reached since.
#[derive(Debug, Default)]
pub struct Missed(Sorted<SocketAddr, Miss>);

#[derive(Clone, Copy, Debug)]
struct Miss {
    at: Timestamp,
    /// It has answered another request since.
    is_alive: bool,
}

impl Missed {
    /// Notes that `by` has answered a request that was steered to `wanted`, or to nowhere. Says whether it
    /// shows that steering has no effect: `wanted` is missed again, has answered another request in between,
    /// and none that was steered to it.
    pub fn saw(&mut self, wanted: Option<SocketAddr>, by: SocketAddr, now: Timestamp) -> bool {
        if wanted == Some(by) {
            self.0.remove(by);
            return false;
        }
        if let Some(miss) = self.0.get_mut(by) {
            miss.is_alive = true;
        }
        let Some(wanted) = wanted else { return false };
        if self.0.len() >= MOST {
            self.0.retain(|_, miss| now.apart(miss.at) < AT_ONCE);
        }
        if self.0.len() >= MOST {
            self.0.clear();
        }
        let before = self.0.insert(wanted, Miss { at: now, is_alive: false });
        before.is_some_and(|miss| miss.is_alive && now.apart(miss.at) < AT_ONCE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Option<u8> = Some(1);
    const B: Option<u8> = Some(2);

    fn endpoint(number: u8) -> SocketAddr {
        SocketAddr::from(([10, 0, 0, number], 8080))
    }

    /// Of each request: where it was steered, who answered, and the second.
    fn without_effect(seen: &[(Option<u8>, u8, u64)]) -> Vec<bool> {
        let mut missed = Missed::default();
        let saw = |(wanted, by, second): &(Option<u8>, u8, u64)| {
            missed.saw(wanted.map(endpoint), endpoint(*by), Timestamp(second * 1000))
        };
        seen.iter().map(saw).collect()
    }

    #[test]
    fn an_endpoint_that_is_missed_twice_and_answers_in_between_shows_that_steering_has_no_effect() {
        for (about, seen, wanted) in [
            ("a new session in between", &[(A, 2, 0), (None, 1, 1), (A, 2, 2)][..], true),
            ("a session of another", &[(A, 2, 0), (B, 1, 1), (A, 3, 2)], true),
            ("missed once", &[(A, 2, 0)], false),
            ("gone", &[(A, 2, 0), (A, 2, 1), (A, 3, 2)], false),
            ("gone, and back", &[(A, 2, 0), (A, 2, 1), (None, 1, 2)], false),
            ("gone, back, and reached", &[(A, 2, 0), (None, 1, 1), (A, 1, 2), (A, 2, 3)], false),
            ("there before it went", &[(None, 1, 0), (A, 2, 1), (A, 2, 2)], false),
            ("back, and gone long after", &[(A, 2, 0), (None, 1, 1), (A, 2, 61)], false),
            ("another is missed", &[(A, 2, 0), (None, 1, 1), (B, 3, 2)], false),
            ("all is well", &[(A, 1, 0), (None, 1, 1), (A, 1, 2)], false),
        ] {
            let found = without_effect(seen);
            let (last, others) = found.split_last().unwrap();
            assert_eq!(*last, wanted, "{about}");
            assert!(!others.contains(&true), "{about}: {others:?}");
        }
    }

    #[test]
    fn it_is_told_again_for_each_time_that_it_shows() {
        let round = [(None, 1, 1), (A, 2, 2)];
        let seen: Vec<_> = [(A, 2, 0)].into_iter().chain(round).chain(round).collect();
        assert_eq!(without_effect(&seen), [false, false, true, false, true]);
    }

    /// All endpoints are replaced, one after the other.
    #[test]
    fn a_rolling_restart_shows_nothing() {
        let mut seen = Vec::new();
        for gone in 1..=20 {
            let at = u64::from(gone);
            seen.extend([(None, gone, at), (Some(gone), gone + 1, at), (Some(gone), gone + 2, at)]);
            seen.push((Some(gone + 1), gone + 1, at));
        }
        assert!(!without_effect(&seen).contains(&true));
    }

    #[test]
    fn it_keeps_a_bounded_number_of_endpoints_in_mind() {
        let mut missed = Missed::default();
        for port in 1..=5000 {
            let gone = SocketAddr::from(([10, 0, 0, 1], port));
            missed.saw(Some(gone), endpoint(2), Timestamp(u64::from(port)));
        }
        assert!(missed.0.len() <= MOST);
    }
}
