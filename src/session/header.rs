//! How a message names its session.

use super::{BadId, SessionId};

/// The `Mcp-Session-Id` headers of one message, or the parameters that stand for it in HTTP+SSE.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum SessionHeader<'a> {
    /// There is none.
    #[default]
    None,
    /// There is one, with this value.
    One(&'a [u8]),
    /// There are more.
    Many,
}

impl<'a> SessionHeader<'a> {
    /// Notes one more header.
    pub fn add(&mut self, value: &'a [u8]) {
        *self = match self {
            Self::None => Self::One(value),
            Self::One(_) | Self::Many => Self::Many,
        };
    }

    /// The id, if there is a header at all.
    pub fn parse(&self) -> Option<Result<SessionId<'a>, BadId>> {
        match self {
            Self::None => None,
            Self::One(bytes) => Some(SessionId::parse(bytes)),
            Self::Many => Some(Err(BadId::Repeated)),
        }
    }
}
