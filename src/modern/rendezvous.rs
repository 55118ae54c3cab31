//! Which pod a key has, if nothing is known of it: rendezvous hashing.
//!
//! Each pod has a weight for each key, and the greatest wins. So a pod that goes moves its own keys only, and
//! one that comes takes no more than its share, from all others alike.

use crate::pods::Ordinal;
use crate::session::SessionKey;

/// The weight of a pod for a key. Part of the contract between all proxies, of every version: they agree on a
/// pod without telling each other.
pub fn weight(key: &SessionKey, pod: Ordinal) -> u64 {
    let [high, low] = key.halves();
    let Ordinal(pod) = pod;
    // An odd constant, so that neighbours among the ordinals differ in many bits.
    mixed(high ^ mixed(low.wrapping_add(u64::from(pod).wrapping_mul(0x9e37_79b9_7f4a_7c15))))
}

/// Of each bit of the result, about half depends on each bit given (the finalizer of MurmurHash3).
fn mixed(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    bits = (bits ^ (bits >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    bits ^ (bits >> 33)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::{Scope, SessionId};

    const KEYS: u32 = 10_000;

    fn key(number: u32) -> SessionKey {
        let id = number.to_string();
        Scope::new("default/myserver").key(SessionId::parse(id.as_bytes()).unwrap())
    }

    fn pod_of(number: u32, pods: impl Iterator<Item = u32>) -> u32 {
        pods.max_by_key(|pod| weight(&key(number), Ordinal(*pod))).unwrap()
    }

    /// How many keys have another pod among `after` than among `before`, in parts of 1.
    fn moved(before: &[u32], after: &[u32]) -> f64 {
        let pod = |number, pods: &[u32]| pod_of(number, pods.iter().copied());
        let moved = (0..KEYS).filter(|number| pod(*number, before) != pod(*number, after));
        moved.count() as f64 / f64::from(KEYS)
    }

    #[test]
    fn proxies_of_all_versions_agree() {
        assert_eq!(weight(&SessionKey::from_bytes([0; 16]), Ordinal(0)), 0);
        let pods: Vec<_> = (0..12).map(|number| pod_of(number, 0..3)).collect();
        assert_eq!(pods, [1, 0, 1, 2, 0, 1, 1, 0, 0, 1, 0, 2]);
    }

    #[test]
    fn keys_are_spread_evenly() {
        for pod in 0..5 {
            let count = (0..KEYS).filter(|number| pod_of(*number, 0..5) == pod).count();
            assert!((1_850..2_150).contains(&count), "pod {pod} has {count}");
        }
    }

    #[test]
    fn only_the_share_of_a_pod_that_comes_or_goes_moves() {
        for (before, after, wanted) in [
            (&[0, 1, 2][..], &[0, 1, 2, 3][..], 1.0 / 4.0),
            (&[0, 1, 2], &[0, 1, 2, 3, 4], 2.0 / 5.0),
            (&[0, 1, 2, 3, 4], &[0, 1], 3.0 / 5.0),
            (&[0, 1, 2], &[0, 2], 1.0 / 3.0),
        ] {
            let moved = moved(before, after);
            assert!((moved - wanted).abs() < 0.015, "{before:?} to {after:?}: {moved}");
        }
        for number in 0..KEYS {
            let before = pod_of(number, 0..3);
            let after = pod_of(number, 0..4);
            assert!(
                after == before || after == 3,
                "keys move to the pod that came, not among others"
            );
        }
    }
}
