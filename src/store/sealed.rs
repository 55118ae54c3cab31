//! Pins that no store keeps: each lies, sealed, in the session id that the client has.
//!
//! What the client gets in the place of the pod's id is, in base64 (RFC 4648 section 5, without padding):
//!
//! | bytes | |
//! |---|---|
//! | 1 | the version of this format, 1 |
//! | 4 | the tag of the key, [`KeyTag`] |
//! | 24 | a nonce, of which the first 16 bytes are the [`SessionKey`] |
//! | the rest | XChaCha20-Poly1305 of the pin as [`Pin::pack`] writes it with long times, and the pod's id |
//!
//! Version, key and scope are its additional data, so it opens nowhere else. The subject is within, so a session
//! that is presented by another is told from one that is not known.

mod cache;

use std::fmt;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::keyring::{KeyTag, Keyring, Nonce};
use crate::session::{Pin, Scope, SessionId, SessionKey, Times};

use cache::Cache;

/// The longest id of a pod that is sealed, in bytes. It makes at most 494 of the 512 that an id may have.
pub(crate) const MAX_SEALED: usize = 256;

const VERSION: u8 = 1;

/// Bytes before what is sealed.
const HEAD: usize = size_of::<u8>() + size_of::<KeyTag>() + size_of::<Nonce>();

/// So many characters hold the head.
const HEAD_TEXT: usize = HEAD.div_ceil(3) * 4;

/// Seals and opens the session ids of one workload.
#[derive(Debug)]
pub(crate) struct Sealer {
    ring: Keyring,
    scope: SessionKey,
    cache: Cache,
}

/// What a session id of this workload says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Opened {
    /// Where the session lives, and since when.
    pub(crate) pin: Pin,
    /// What its pod calls it.
    pub(crate) id: PodsId,
}

/// What a pod calls a session. Whoever knows it can use the session on the pod, so `Debug` shows only its length.
#[derive(Clone, Eq, PartialEq)]
pub(crate) struct PodsId(pub(crate) Arc<[u8]>);

impl fmt::Debug for PodsId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PodsId({} bytes)", self.0.len())
    }
}

impl Sealer {
    pub(crate) fn new(ring: Keyring, scope: &Scope) -> Self {
        Self { ring, scope: scope.own_key(), cache: Cache::default() }
    }

    /// The id for the client of the session that its pod calls `id`. `None` if that is too long.
    pub(crate) fn seal(&self, nonce: &Nonce, pin: &Pin, id: SessionId<'_>) -> Option<String> {
        if id.bytes().len() > MAX_SEALED {
            return None;
        }
        let mut plain = Vec::with_capacity(64 + id.bytes().len());
        pin.pack(false, Times::Long, &mut plain);
        plain.extend_from_slice(id.bytes());
        let (tag, sealed) = self.ring.seal(nonce, &self.context(), &plain)?;
        Some(URL_SAFE_NO_PAD.encode([&[VERSION], &tag[..], nonce, &sealed].concat()))
    }

    /// What an id says that was made by [`Sealer::seal`], for this workload; else `None`.
    pub(crate) fn open(&self, id: SessionId<'_>) -> Option<Opened> {
        self.cache.get(id).or_else(|| {
            let opened = self.decrypt(id)?;
            self.cache.keep(id, &opened);
            Some(opened)
        })
    }

    fn decrypt(&self, id: SessionId<'_>) -> Option<Opened> {
        let bytes = URL_SAFE_NO_PAD.decode(id.bytes()).ok()?;
        let (tag, nonce, sealed) = parts(&bytes)?;
        let plain = self.ring.open(*tag, nonce, &self.context(), sealed)?;
        let (pin, _, id) = Pin::unpack(&plain, Times::Long)?;
        // Whoever has the keys may be an older or newer release, so not even that is taken for granted.
        let id = PodsId(SessionId::parse(id).ok()?.bytes().into());
        Some(Opened { pin, id })
    }

    fn context(&self) -> [&[u8]; 3] {
        [b"podpin session id", &[VERSION], self.scope.bytes()]
    }
}

/// The key of the session whose id is sealed with this nonce.
pub(crate) fn key_of(nonce: &Nonce) -> SessionKey {
    let mut key = [0; 16];
    key.iter_mut().zip(nonce).for_each(|(to, from)| *to = *from);
    SessionKey::from_bytes(key)
}

/// The key of the session that a sealed id names, whether or not it opens. `None` if it is none.
pub(crate) fn key_in(id: SessionId<'_>) -> Option<SessionKey> {
    let mut head = [0; HEAD_TEXT];
    URL_SAFE_NO_PAD.decode_slice(id.bytes().get(..HEAD_TEXT)?, &mut head).ok()?;
    let (_, nonce, _) = parts(&head)?;
    Some(key_of(nonce))
}

fn parts(bytes: &[u8]) -> Option<(&KeyTag, &Nonce, &[u8])> {
    let ([VERSION], rest) = bytes.split_first_chunk()? else { return None };
    let (tag, rest) = rest.split_first_chunk()?;
    let (nonce, sealed) = rest.split_first_chunk()?;
    Some((tag, nonce, sealed))
}

#[cfg(test)]
mod tests;
