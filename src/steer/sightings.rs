//! What was seen of which pod answers from where, to notice requests that do not reach the pod that
//! they were sent to.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use crate::pods::Ordinal;
use crate::session::Timestamp;

/// A pod that restarts leaves its address for good, and another may take that over. One that is back
/// where it was within this time has not restarted: requests go back and forth.
const AT_ONCE: Duration = Duration::from_secs(60);

/// So many pods and addresses are kept in mind.
const MOST: usize = 20_000;

/// From where each pod of a StatefulSet answers.
#[derive(Debug, Default)]
pub struct Sightings {
    /// Of either family of addresses a pod may have one.
    addresses: Moves<(Ordinal, bool), SocketAddr>,
    pods: Moves<SocketAddr, Ordinal>,
}

/// What cannot be of a StatefulSet whose requests reach the pods that they are sent to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Contradiction {
    /// One pod answers from several addresses at once.
    SeveralAddresses,
    /// Several pods answer from one address.
    OneAddress,
}

impl fmt::Display for Contradiction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SeveralAddresses => "one pod answers from several addresses at once",
            Self::OneAddress => "several pods answer from one address",
        })
    }
}

impl Sightings {
    /// Notes that a request to `pod` was answered from `address`.
    pub fn saw(
        &mut self,
        pod: Ordinal,
        address: SocketAddr,
        now: Timestamp,
    ) -> Option<Contradiction> {
        let several = self.addresses.saw((pod, address.is_ipv4()), address, now);
        let one = self.pods.saw(address, pod, now);
        match (several, one) {
            (true, _) => Some(Contradiction::SeveralAddresses),
            (false, true) => Some(Contradiction::OneAddress),
            (false, false) => None,
        }
    }
}

/// The last two values of each key, in the order of the keys.
#[derive(Debug)]
struct Moves<K, V>(Vec<(K, Last<V>)>);

#[derive(Debug)]
struct Last<V> {
    now: V,
    before: Option<(V, Timestamp)>,
}

impl<K, V> Default for Moves<K, V> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<K: Copy + Ord, V: Copy + PartialEq> Moves<K, V> {
    /// Notes a value. Says whether it is the one that was left just now.
    fn saw(&mut self, key: K, value: V, now: Timestamp) -> bool {
        if self.0.len() >= MOST {
            self.0.clear();
        }
        let place = self.0.binary_search_by_key(&key, |(known, _)| *known);
        let Some((_, last)) = place.ok().and_then(|place| self.0.get_mut(place)) else {
            let place = place.unwrap_or_else(|place| place);
            self.0.insert(place, (key, Last { now: value, before: None }));
            return false;
        };
        if last.now == value {
            return false;
        }
        let is_back =
            last.before.is_some_and(|(before, at)| before == value && now.apart(at) < AT_ONCE);
        last.before = Some((last.now, now));
        last.now = value;
        is_back
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contradictions(seen: &[(u32, &str, u64)]) -> Vec<Option<Contradiction>> {
        let mut sightings = Sightings::default();
        let saw = |(pod, address, seconds): &(u32, &str, u64)| {
            let address = format!("{address}:80").parse().unwrap();
            sightings.saw(Ordinal(*pod), address, Timestamp(seconds * 1000))
        };
        seen.iter().map(saw).collect()
    }

    #[test]
    fn what_goes_back_and_forth_is_a_contradiction() {
        use Contradiction::*;
        for (about, seen, wanted) in [
            (
                "one pod behind a load balancer",
                &[(0, "10.0.0.1", 0), (0, "10.0.0.2", 1), (0, "10.0.0.1", 2)][..],
                Some(SeveralAddresses),
            ),
            (
                "all pods behind one address",
                &[(0, "10.0.0.9", 0), (1, "10.0.0.9", 1), (0, "10.0.0.9", 2)],
                Some(OneAddress),
            ),
            ("a pod that stays", &[(0, "10.0.0.1", 0), (0, "10.0.0.1", 1)], None),
            (
                "a pod that moved",
                &[(0, "10.0.0.1", 0), (0, "10.0.0.2", 1), (0, "10.0.0.2", 2)],
                None,
            ),
            (
                "a pod that has an address of each family",
                &[(0, "10.0.0.1", 0), (0, "[fd00::1]", 1), (0, "10.0.0.1", 2), (0, "[fd00::1]", 3)],
                None,
            ),
            (
                "a pod that took over an address of another that moved on",
                &[(0, "10.0.0.1", 0), (1, "10.0.0.1", 1), (0, "10.0.0.2", 2), (1, "10.0.0.1", 3)],
                None,
            ),
            (
                "a pod that came back to an address after an hour",
                &[(0, "10.0.0.1", 0), (0, "10.0.0.2", 1), (0, "10.0.0.1", 3600)],
                None,
            ),
        ] {
            let found = contradictions(seen);
            let (last, others) = found.split_last().unwrap();
            assert_eq!(*last, wanted, "{about}");
            assert!(others.iter().all(Option::is_none), "{about}: {others:?}");
        }
    }

    /// Each pod in turn gets the one address that is free, so that all are taken over by others.
    #[test]
    fn a_rolling_restart_of_all_pods_is_none() {
        let mut addresses = ["10.0.0.1", "10.0.0.2", "10.0.0.3"];
        let mut free = "10.0.0.4";
        let mut seen = Vec::new();
        for (step, restarted) in [2, 1, 0].into_iter().cycle().take(12).enumerate() {
            std::mem::swap(&mut free, &mut addresses[restarted]);
            let at = step as u64 * 30;
            seen.extend((0..3).map(|pod| (pod, addresses[pod as usize], at)));
        }
        assert!(contradictions(&seen).iter().all(Option::is_none), "{seen:?}");
    }
}
