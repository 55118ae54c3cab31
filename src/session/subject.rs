//! Who opened a session.

use std::fmt;

/// Stands for who a request is from: the first 128 bits of a SHA-256 of what tells that, as
/// [`crate::identity::BindTo`] reads it. Equal for equal claims, whatever token carried them.
///
/// Claims can be guessed from a hash of them, so `Debug` shows none of it.
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
pub struct Subject([u8; 16]);

impl Subject {
    /// The subject with these 128 bits.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Its 128 bits.
    pub fn bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Subject")
    }
}

/// Who uses a session.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum User {
    /// The filter itself, which keeps it for whoever it belongs to.
    Itself,
    /// A client: this subject, or one of which nothing is known.
    Client(Option<Subject>),
}
