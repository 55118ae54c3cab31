//! The keys that a workload's proxies share: they seal what a client keeps, and sign what lies in a store.
//!
//! The first key of a ring seals and signs, all of them open and verify. So a key is replaced without a loss by
//! adding the new one behind the old one everywhere, then in front of it everywhere, and by taking
//! the old one out once nothing is left that it has sealed.

mod key;

use std::fmt;

pub use key::{BadKey, Key};

/// Makes each use of [`Keyring::seal`] one of its own. Never used twice: 24 random bytes.
pub type Nonce = [u8; 24];

/// Tells keys apart, in what was made with them: the first 32 bits of the SHA-256 of a key's id.
pub type KeyTag = [u8; 4];

/// Keys, the one that seals first. There is at least one.
#[derive(Clone)]
pub struct Keyring {
    first: Key,
    others: Vec<Key>,
}

impl Keyring {
    /// A ring of these keys; `None` of none.
    pub fn new(keys: Vec<Key>) -> Option<Self> {
        let mut keys = keys.into_iter();
        Some(Self { first: keys.next()?, others: keys.collect() })
    }

    /// Encrypts `plain` with the first key, so that it is read only together with `context`. Says by which
    /// key.
    pub fn seal(
        &self,
        nonce: &Nonce,
        context: &[&[u8]],
        plain: &[u8],
    ) -> Option<(KeyTag, Vec<u8>)> {
        let tag = self.first.tag();
        Some((tag, self.first.seal(nonce, &self.bound(tag, context), plain)?))
    }

    /// What was sealed with the key of this tag; `None` if it was not, or not with this nonce and context.
    pub fn open(
        &self,
        tag: KeyTag,
        nonce: &Nonce,
        context: &[&[u8]],
        sealed: &[u8],
    ) -> Option<Vec<u8>> {
        self.key(tag)?.open(nonce, &self.bound(tag, context), sealed)
    }

    /// Signs `text` with the first key.
    pub fn sign(&self, context: &[&[u8]], text: &[u8]) -> (KeyTag, [u8; 32]) {
        let tag = self.first.tag();
        (tag, self.first.sign(&self.bound(tag, context), text))
    }

    /// Whether `text` was signed so, with the key of this tag.
    pub fn verify(&self, tag: KeyTag, context: &[&[u8]], text: &[u8], signature: &[u8]) -> bool {
        let context = self.bound(tag, context);
        self.key(tag).is_some_and(|key| key.verify(&context, text, signature))
    }

    fn key(&self, tag: KeyTag) -> Option<&Key> {
        [&self.first].into_iter().chain(&self.others).find(|key| key.tag() == tag)
    }

    /// The context with the key, each part behind its length, so that no other parts give the same.
    fn bound(&self, tag: KeyTag, context: &[&[u8]]) -> Vec<u8> {
        let mut bound = tag.to_vec();
        for part in context {
            bound.extend_from_slice(&(part.len() as u32).to_be_bytes());
            bound.extend_from_slice(part);
        }
        bound
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entry(&self.first).entries(&self.others).finish()
    }
}

#[cfg(test)]
mod tests;
