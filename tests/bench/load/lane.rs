//! One connection, with a request at a time.

use std::net::{SocketAddr, TcpStream};

use anyhow::{Result, ensure};

use super::Target;
use super::message::Messages;
use super::session::{Client, Request, Session, pod};
use super::turn::Turn;
use crate::shuffle::Shuffle;

pub(crate) struct Lane {
    messages: Messages,
    sent: Vec<u8>,
    chance: Shuffle,
}

impl Lane {
    pub(crate) fn to(address: SocketAddr, seed: u64) -> Result<Self> {
        let messages = Messages::on(TcpStream::connect(address)?)?;
        Ok(Self { messages, sent: Vec::new(), chance: Shuffle::from(seed) })
    }

    /// Sends a request of any of the sessions, and counts what becomes of it.
    pub(crate) fn call(
        &mut self,
        target: &Target,
        request: &Request,
        turn: &mut Turn,
    ) -> Result<()> {
        let session = match target.sessions {
            [] => None,
            sessions => sessions.get(self.chance.below(sessions.len())),
        };
        request.write(target.client, session, &mut self.sent)?;
        self.messages.send(&self.sent)?;
        ensure!(self.messages.next()?, "the proxy closed a connection");
        turn.calls += 1;
        if !self.messages.is_ok() {
            turn.lost += 1;
        } else if session.is_some_and(|session| pod(&self.messages) != Some(session.pod)) {
            turn.misrouted += 1;
        }
        Ok(())
    }

    /// The session that the last request opened.
    pub(crate) fn opened(&self, client: Client) -> Result<Session> {
        Session::of(&self.messages, client)
    }
}
