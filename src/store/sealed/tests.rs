use super::*;
use crate::keyring::Key;
use crate::mutation::mutated;
use crate::pods::{Ordinal, Place};
use crate::session::{MAX_ID_BYTES, Subject, Timestamp};
use proptest::prelude::*;
use std::net::{IpAddr, SocketAddr};

const KEY: &str = "1f8b0a44c0e94d6e93d2a8b7516c3fe207bb5a19de7184f69c0d52e8ab36417f";
const OTHER: &str = "5Yb0n8mQ3tLr1WcVxKf7oZ2uAe9sJd4hGi6pNqRTyBE=";
const NONCE: Nonce = [9; 24];

fn sealer(scope: &str, keys: &[(&str, &str)]) -> Sealer {
    let keys = keys.iter().map(|(id, text)| Key::parse(id, text).unwrap());
    Sealer::new(Keyring::new(keys.collect()).unwrap(), &Scope::new(scope))
}

fn pin(pod: u32) -> Pin {
    Pin {
        place: Place::Pod(Ordinal(pod)),
        incarnation: "10.0.0.1:8080".parse().ok(),
        subject: None,
        bound_at: Timestamp(1_750_000_000_000),
        used_at: Timestamp(1_750_000_000_000),
    }
}

fn id(text: &str) -> SessionId<'_> {
    SessionId::parse(text.as_bytes()).unwrap()
}

/// Ids live in clients for as long as `session.max_age`, whatever is released meanwhile.
#[test]
fn an_id_that_was_sealed_once_opens() {
    let sealer = sealer("default/myserver", &[("a", KEY)]);
    let sealed = sealer.seal(&NONCE, &pin(1), id("4f6c")).unwrap();
    assert_eq!(sealed, SEALED);
    let opened = sealer.open(id(SEALED)).unwrap();
    assert_eq!(opened, Opened { pin: pin(1), id: PodsId(b"4f6c".as_slice().into()) });
}

const SEALED: &str = "AcqXgRIJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQnn9ivNbeMVmh47F0MGr8TDiVTJ-0KdPNVnp87sZoOBP_G_PHLnB62-rKG2GDq4GA";

#[test]
fn two_ids_have_only_version_and_key_in_common() {
    let sealer = sealer("default/myserver", &[("a", KEY)]);
    let [one, two] = [[1; 24], [2; 24]].map(|nonce| {
        let sealed = sealer.seal(&nonce, &pin(1), id("the-same-id")).unwrap();
        URL_SAFE_NO_PAD.decode(sealed).unwrap()
    });
    assert_eq!(one[..5], two[..5]);
    let same = one[5..].iter().zip(&two[5..]).filter(|(a, b)| a == b).count();
    assert!(same < 4, "{same} bytes of {}", one.len() - 5);
}

#[test]
fn the_longest_id_still_fits() {
    let sealer = sealer("default/myserver", &[("a", KEY)]);
    let endpoint = SocketAddr::from(([0xfd00, 0, 0, 0, 0, 0, 0, 1], 65535));
    let longest = Pin {
        place: Place::Endpoint(endpoint),
        incarnation: Some(endpoint),
        subject: Some(Subject::from_bytes([1; 16])),
        ..pin(0)
    };
    let sealed = sealer.seal(&NONCE, &longest, id(&"x".repeat(MAX_SEALED))).unwrap();
    assert_eq!(sealed.len(), 494);
    assert!(sealed.len() <= MAX_ID_BYTES);
    assert_eq!(sealer.open(id(&sealed)).unwrap().pin, longest);
    assert_eq!(sealer.seal(&NONCE, &longest, id(&"x".repeat(MAX_SEALED + 1))), None);
}

#[test]
fn an_id_opens_for_its_workload_and_with_its_key_only() {
    let keys = [("a", KEY), ("b", OTHER)];
    let sealed = sealer("default/myserver", &keys).seal(&NONCE, &pin(1), id("4f6c")).unwrap();
    let sealed = id(&sealed);
    for (about, scope, keys, opens) in [
        ("the same", "default/myserver", &keys[..], true),
        ("another in front", "default/myserver", &[keys[1], keys[0]], true),
        ("another workload", "default/other", &keys, false),
        ("its key is gone", "default/myserver", &keys[1..], false),
        ("its key by another name", "default/myserver", &[("c", KEY)], false),
        ("another key by its name", "default/myserver", &[("a", OTHER)], false),
    ] {
        assert_eq!(sealer(scope, keys).open(sealed).is_some(), opens, "{about}");
    }
    assert_eq!(key_in(sealed), Some(key_of(&NONCE)));
    assert_eq!(key_in(id("4f6c")), None);
}

#[test]
fn none_of_many_ids_opens_that_nobody_sealed() {
    let sealer = sealer("default/myserver", &[("a", KEY), ("b", OTHER)]);
    let sealed = sealer.seal(&NONCE, &pin(1), id("4f6c7a2e-1b0d-4c3f-9a58-6e7d8c9b0a1f")).unwrap();
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let (mut bytes, mut seed) = (sealed.clone().into_bytes(), 1u64);
    let mut next = |bound: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize % bound
    };
    for turn in 0..1_000_000 {
        match turn % 3 {
            // One character is another.
            0 => {
                let at = next(bytes.len());
                let (was, new) = (bytes[at], alphabet[next(alphabet.len())]);
                bytes[at] = new;
                let opened = sealer.open(SessionId::parse(&bytes).unwrap());
                assert_eq!(opened.is_some(), was == new);
                bytes[at] = was;
            }
            // Its end is missing.
            1 => {
                let cut = &bytes[..1 + next(bytes.len() - 1)];
                assert_eq!(sealer.open(SessionId::parse(cut).unwrap()), None);
            }
            // Nothing but the head is right.
            _ => {
                let mut random = bytes.clone();
                random[39..].fill_with(|| alphabet[next(alphabet.len())]);
                assert_eq!(sealer.open(SessionId::parse(&random).unwrap()), None);
            }
        }
    }
}

fn address() -> impl Strategy<Value = SocketAddr> {
    any::<(IpAddr, u16)>().prop_map(SocketAddr::from)
}

proptest! {
    #[test]
    fn what_is_sealed_opens(
        pod: u32,
        endpoint in prop::option::of(address()),
        incarnation in prop::option::of(address()),
        subject in prop::option::of(any::<[u8; 16]>()),
        [bound_at, used_at] in any::<[u64; 2]>(),
        nonce: Nonce,
        name in "[!-~]{1,256}",
    ) {
        let sealer = sealer("default/myserver", &[("a", KEY)]);
        let pin = Pin {
            place: endpoint.map_or(Place::Pod(Ordinal(pod)), Place::Endpoint),
            incarnation,
            subject: subject.map(Subject::from_bytes),
            bound_at: Timestamp(bound_at),
            used_at: Timestamp(used_at),
        };
        let sealed = sealer.seal(&nonce, &pin, id(&name)).unwrap();
        prop_assert_eq!(sealer.open(id(&sealed)), Some(Opened { pin, id: PodsId(name.into_bytes().into()) }));
        prop_assert_eq!(key_in(id(&sealed)), Some(key_of(&nonce)));
    }

    #[test]
    fn whatever_comes_is_read_without_a_panic(bytes in mutated([SEALED])) {
        let sealer = sealer("default/myserver", &[("a", KEY)]);
        if let Ok(id) = SessionId::parse(&bytes) {
            prop_assert_eq!(sealer.open(id).is_some(), bytes == SEALED.as_bytes());
            let _ = key_in(id);
        }
    }
}
