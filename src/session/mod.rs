//! Sessions: their ids, the keys that stand for those, and the pins that say where each lives.

mod header;
mod id;
mod key;
mod packed;
mod pin;
mod subject;
mod time;

pub use header::SessionHeader;
pub use id::{BadId, MAX_ID_BYTES, SessionId};
pub use key::{Scope, SessionKey};
pub(crate) use packed::Times;
pub use pin::{Lifetime, Pin};
pub use subject::{Subject, User};
pub use time::Timestamp;
