use super::*;
use proptest::prelude::*;

const KEY: &str = "1f8b0a44c0e94d6e93d2a8b7516c3fe207bb5a19de7184f69c0d52e8ab36417f";
const OTHER: &str = "5Yb0n8mQ3tLr1WcVxKf7oZ2uAe9sJd4hGi6pNqRTyBE=";
const NONCE: Nonce = [7; 24];

fn key(id: &str, text: &str) -> Key {
    Key::parse(id, text).unwrap()
}

fn ring(keys: &[(&str, &str)]) -> Keyring {
    Keyring::new(keys.iter().map(|(id, text)| key(id, text)).collect()).unwrap()
}

#[test]
fn keys_that_can_be_guessed_are_refused() {
    let encoded = |bytes: &[u8]| {
        use base64::Engine;
        base64::engine::general_purpose::STANDARD.encode(bytes)
    };
    let counted: Vec<u8> = (0..32).collect();
    for (about, text, wanted) in [
        ("nothing", String::new(), BadKey::Size(0)),
        ("no encoding", "what? ever".to_owned(), BadKey::Unreadable),
        ("too short", encoded(&[1; 16]), BadKey::Size(16)),
        ("too long", encoded(&[1; 33]), BadKey::Size(33)),
        ("zeros", "0".repeat(64), BadKey::Guessable),
        ("one byte", encoded(&[0xa5; 32]), BadKey::Guessable),
        ("two halves", encoded(&[[1, 2, 3, 4, 5, 6, 7, 8]; 4].concat()), BadKey::Guessable),
        ("a count", encoded(&counted), BadKey::Guessable),
        ("words", encoded(b"correct horse battery staple 123"), BadKey::Guessable),
    ] {
        assert_eq!(Key::parse("a", &text).map(drop), Err(wanted), "{about}");
    }
    for text in [KEY, OTHER, &OTHER[..43], &KEY.to_uppercase()] {
        Key::parse("a", text).unwrap();
    }
}

#[test]
fn debug_shows_no_key() {
    assert_eq!(
        format!("{:?}", ring(&[("2026-11", KEY), ("b", OTHER)])),
        r#"[Key("2026-11"), Key("b")]"#
    );
}

/// The format is a contract between proxies, and between releases.
#[test]
fn what_was_sealed_and_signed_stays_readable() {
    let ring = ring(&[("a", KEY)]);
    let (tag, sealed) = ring.seal(&NONCE, &[b"scope"], b"plain").unwrap();
    assert_eq!(tag, [0xca, 0x97, 0x81, 0x12]);
    assert_eq!(sealed, SEALED);
    assert_eq!(ring.sign(&[b"scope"], b"text"), (tag, SIGNED));
}

const SEALED: [u8; 21] = [
    242, 131, 195, 233, 151, 145, 255, 158, 215, 109, 89, 139, 241, 52, 54, 90, 66, 104, 216, 145,
    6,
];
const SIGNED: [u8; 32] = [
    58, 217, 69, 134, 184, 253, 147, 4, 154, 254, 193, 182, 122, 52, 37, 240, 154, 195, 155, 171,
    169, 246, 181, 44, 170, 13, 188, 41, 215, 249, 138, 236,
];

#[test]
fn all_keys_open_and_the_first_one_seals() {
    let (old, new) = (("a", KEY), ("b", OTHER));
    let stages = [vec![old], vec![old, new], vec![new, old], vec![new]].map(|keys| ring(&keys));
    let opens = |by: &Keyring, to: &Keyring| {
        let (tag, sealed) = by.seal(&NONCE, &[], b"plain").unwrap();
        let (signer, signature) = by.sign(&[], b"text");
        let opened = to.open(tag, &NONCE, &[], &sealed).as_deref() == Some(b"plain");
        assert_eq!(to.verify(signer, &[], b"text", &signature), opened);
        opened
    };
    for pair in stages.windows(2) {
        assert!(opens(&pair[0], &pair[1]) || pair[1].others.is_empty());
        assert!(opens(&pair[1], &pair[0]) || pair[0].others.is_empty());
    }
    assert!(opens(&stages[2], &stages[3]), "what the new one sealed");
    assert!(!opens(&stages[0], &stages[3]), "the old one is out");
}

proptest! {
    #[test]
    fn nothing_opens_that_was_changed(
        plain in prop::collection::vec(any::<u8>(), 0..64),
        bit: prop::sample::Index,
        cut: prop::sample::Index,
        [scope, other] in prop::array::uniform2(prop::collection::vec(any::<u8>(), 0..20)),
    ) {
        let ring = ring(&[("a", KEY), ("b", OTHER)]);
        let context: &[&[u8]] = &[&scope, b"sub"];
        let (tag, sealed) = ring.seal(&NONCE, context, &plain).unwrap();
        prop_assert_eq!(ring.open(tag, &NONCE, context, &sealed), Some(plain));
        let mut changed = sealed.clone();
        let bit = bit.index(8 * sealed.len());
        changed[bit / 8] ^= 1 << (bit % 8);
        prop_assert_eq!(ring.open(tag, &NONCE, context, &changed), None);
        prop_assert_eq!(ring.open(tag, &NONCE, context, &sealed[..cut.index(sealed.len())]), None);
        prop_assert_eq!(ring.open(key("b", OTHER).tag(), &NONCE, context, &sealed), None);
        prop_assert_eq!(ring.open(tag, &[8; 24], context, &sealed), None);
        let is_same = scope == other;
        prop_assert_eq!(ring.open(tag, &NONCE, &[&other, b"sub"], &sealed).is_some(), is_same);
        let joined = [&scope[..], b"sub"].concat();
        prop_assert_eq!(ring.open(tag, &NONCE, &[&joined], &sealed), None);
    }
}
