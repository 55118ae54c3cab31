//! The keys that stand for sessions everywhere but in headers.

use std::fmt;

use sha2::{Digest, Sha256};

use super::{SessionId, User};

/// Names the workload whose sessions a key belongs to, and makes those keys.
///
/// The scope is part of every key, so a session of one workload means nothing on another.
#[derive(Clone)]
pub struct Scope {
    name: String,
    /// SHA-256 after one whole block made of the scope: a usual id then costs one more block.
    absorbed: Sha256,
    /// The key of no id.
    own_key: SessionKey,
}

impl Scope {
    /// A scope by its name, usually `namespace/stateful_set`.
    pub fn new(name: impl Into<String>) -> Self {
        let name = name.into();
        let mut block = [0u8; 64];
        for (to, from) in block.iter_mut().zip(Sha256::digest(&name)) {
            *to = from;
        }
        let absorbed = Sha256::new().chain_update(block);
        let own_key = SessionKey::first_bits_of(absorbed.clone());
        Self { name, absorbed, own_key }
    }

    /// The same workload by another way of steering, whose sessions this knows nothing of: its keys
    /// are others, its name is the same.
    pub fn apart(&self, way: &str) -> Self {
        let name = format!("{} {way}", self.name);
        Self { name: self.name.clone(), ..Self::new(name) }
    }

    /// The key of a session of this workload: SHA-256 over one 64-byte block that holds the
    /// SHA-256 of the scope's name and zeros, then the id; the first 128 bits of it.
    pub fn key(&self, id: SessionId<'_>) -> SessionKey {
        SessionKey::first_bits_of(self.absorbed.clone().chain_update(id.0))
    }

    /// Its name as names of filter state and metrics can hold it: bytes other than letters, digits
    /// and `-_./` are written `_`.
    pub fn label(&self) -> String {
        let fits = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
        self.name.chars().map(|c| if fits(c) { c } else { '_' }).collect()
    }

    /// A key that no session has: names what belongs to the whole scope.
    pub fn own_key(&self) -> SessionKey {
        self.own_key
    }
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Scope({:?})", self.name)
    }
}

/// Stands for a session in stores, logs and metrics. Nothing leads from it back to the id; of a sealed one it is
/// a part that says nothing.
///
/// `Display` writes the first 8 hex digits, which is all that a log may show; `{:x}` writes all 32.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct SessionKey([u8; 16]);

impl SessionKey {
    /// The key with these 128 bits.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Its 128 bits.
    pub fn bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// Its two halves, each evenly spread over all of `u64`.
    pub fn halves(&self) -> [u64; 2] {
        let number = u128::from_be_bytes(self.0);
        [(number >> 64) as u64, number as u64]
    }

    /// Another key, for what is known of this session and `user` alone.
    pub(crate) fn as_seen_by(&self, user: User) -> Self {
        let subject = match user {
            User::Itself => return *self,
            User::Client(None) => [0xff; 16],
            User::Client(Some(subject)) => *subject.bytes(),
        };
        let mut key = self.0;
        key.iter_mut().zip(subject).for_each(|(to, from)| *to ^= from);
        Self(key)
    }

    /// The first 128 bits of a hash.
    pub(crate) fn first_bits_of(hash: Sha256) -> Self {
        let mut key = [0; 16];
        for (to, from) in key.iter_mut().zip(hash.finalize()) {
            *to = from;
        }
        Self(key)
    }
}

impl fmt::Display for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", u128::from_be_bytes(self.0) >> 96)
    }
}

impl fmt::LowerHex for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The derivation is a contract between every Envoy that shares a store: if this fails, a
    /// rolling upgrade loses every session.
    #[test]
    fn the_derivation_of_keys_never_changes() {
        let key = Scope::new("default/myserver").key(SessionId::parse(b"abc").unwrap());
        assert_eq!(format!("{key:x}"), "f5db17d236e0c757e2954897d53a49c4");
        assert_eq!(format!("{key}"), "f5db17d2", "all that a log may show");
    }

    proptest! {
        #[test]
        fn keys_differ_by_scope_and_by_id(
            [a, b] in prop::array::uniform2("[a-z/]{1,80}"),
            [x, y] in prop::array::uniform2("[!-~]{1,80}"),
        ) {
            let key = |scope: &str, id: &str| {
                Scope::new(scope).key(SessionId::parse(id.as_bytes()).unwrap())
            };
            prop_assert_eq!(key(&a, &x) == key(&b, &x), a == b);
            prop_assert_eq!(key(&a, &x) == key(&a, &y), x == y);
        }
    }
}
