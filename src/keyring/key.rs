//! One key.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use chacha20poly1305::aead::AeadInOut;
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};

use super::{KeyTag, Nonce};

/// Bytes of a key.
const SIZE: usize = 32;

/// Bytes by which it is told that something was sealed with a key.
const AUTHENTICATION: usize = 16;

/// The fewest different bytes that a key may be made of. Of random keys one in 10^20 has fewer than 16.
const VARIETY: usize = 16;

/// A key and what it is called. `Debug` shows only that.
#[derive(Clone)]
pub struct Key {
    id: String,
    tag: KeyTag,
    cipher: XChaCha20Poly1305,
    signer: Hmac<Sha256>,
}

impl Key {
    /// Reads a key: 32 bytes as base64 or as hex digits.
    pub fn parse(id: &str, text: &str) -> Result<Self, BadKey> {
        let bytes = decode(text).ok_or(BadKey::Unreadable)?;
        let key: [u8; SIZE] =
            bytes.try_into().map_err(|bytes: Vec<u8>| BadKey::Size(bytes.len()))?;
        if !looks_random(&key) {
            return Err(BadKey::Guessable);
        }
        let mut tag = KeyTag::default();
        tag.iter_mut().zip(Sha256::digest(id)).for_each(|(to, from)| *to = from);
        // One key for each of two algorithms.
        let signing =
            Sha256::new_with_prefix(b"podpin signs records 1").chain_update(key).finalize();
        Ok(Self {
            id: id.to_owned(),
            tag,
            cipher: XChaCha20Poly1305::new(&key.into()),
            signer: Hmac::new_from_slice(&signing).map_err(|_| BadKey::Unreadable)?,
        })
    }

    /// What it is called.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Whether the two cannot be told apart, or are one.
    pub fn is_like(&self, other: &Self) -> bool {
        self.tag == other.tag || self.sign(&[], &[]) == other.sign(&[], &[])
    }

    /// What stands for that in what was made with it.
    pub fn tag(&self) -> KeyTag {
        self.tag
    }

    pub(super) fn seal(&self, nonce: &Nonce, context: &[u8], plain: &[u8]) -> Option<Vec<u8>> {
        let mut sealed = Vec::with_capacity(plain.len() + AUTHENTICATION);
        sealed.extend_from_slice(plain);
        self.cipher.encrypt_in_place(&XNonce::from(*nonce), context, &mut sealed).ok()?;
        Some(sealed)
    }

    pub(super) fn open(&self, nonce: &Nonce, context: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        let mut plain = sealed.to_vec();
        self.cipher.decrypt_in_place(&XNonce::from(*nonce), context, &mut plain).ok()?;
        Some(plain)
    }

    pub(super) fn sign(&self, context: &[u8], text: &[u8]) -> [u8; 32] {
        self.signer.clone().chain_update(context).chain_update(text).finalize().into_bytes().into()
    }

    pub(super) fn verify(&self, context: &[u8], text: &[u8], signature: &[u8]) -> bool {
        let signed = self.signer.clone().chain_update(context).chain_update(text);
        signed.verify_slice(signature).is_ok()
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({:?})", self.id)
    }
}

/// Why a text is no key.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum BadKey {
    /// It is neither base64 nor hex.
    Unreadable,
    /// It has another number of bytes.
    Size(usize),
    /// It is one that somebody could think of.
    Guessable,
}

impl fmt::Display for BadKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable => f.write_str("is neither base64 nor hex"),
            Self::Size(size) => write!(f, "has {size} bytes, not {SIZE}"),
            Self::Guessable => f.write_str("is not random; make one by: openssl rand -base64 32"),
        }
    }
}

fn decode(text: &str) -> Option<Vec<u8>> {
    let text = text.trim();
    if text.len() == 2 * SIZE && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        let digits = (0..text.len()).step_by(2).map(|at| text.get(at..at + 2));
        return digits.map(|pair| u8::from_str_radix(pair?, 16).ok()).collect();
    }
    let alphabets = [STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD];
    alphabets.iter().find_map(|alphabet| alphabet.decode(text).ok())
}

/// Whether nobody has thought of the key: it is no text, has no run of numbers, and not just a few
/// different bytes.
fn looks_random(key: &[u8; SIZE]) -> bool {
    let mut sorted = *key;
    sorted.sort_unstable();
    let variety = 1 + sorted.windows(2).filter(|pair| pair.first() != pair.last()).count();
    let is_text = key.iter().all(|byte| (b' '..=b'~').contains(byte));
    let steps: Vec<_> = key.windows(2).map(step).collect();
    let is_count = steps.windows(2).all(|pair| pair.first() == pair.last());
    variety >= VARIETY && !is_text && !is_count
}

fn step(pair: &[u8]) -> u8 {
    match pair {
        [a, b] => b.wrapping_sub(*a),
        _ => 0,
    }
}
