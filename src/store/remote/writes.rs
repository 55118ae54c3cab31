//! What is written while nobody waits for it, and what the store's replies to it teach.

use super::commands::Over;
use super::dialect::{Fault, Reply};
use super::write_back::Write;
use super::{Found, Outcome, Purpose, Remote};
use crate::host::Host;
use crate::session::{Pin, SessionKey, Timestamp};

/// What becomes of a write that was answered.
enum Next {
    /// It is done.
    Done,
    /// It is done, and this is to follow in its turn.
    Add(Write),
    /// It goes on with this, at once.
    Go(Write),
    /// It takes another turn.
    Failed,
}

impl Remote {
    /// Keeps a session from idling out that is in use. Its pin may have been forgotten here.
    pub(in crate::store) fn keep(
        &self,
        host: &mut impl Host,
        key: SessionKey,
        pin: Option<Pin>,
        now: Timestamp,
    ) {
        self.write(host, key, Write::Keep(pin, now), now);
    }

    /// Writes a session down again that the store has lost.
    pub(in crate::store) fn restore(
        &self,
        host: &mut impl Host,
        key: SessionKey,
        pin: Pin,
        now: Timestamp,
    ) {
        self.write(host, key, Write::Restore(pin, now), now);
    }

    /// Ends a session for all. Another that has its id by now is left alone.
    pub(in crate::store) fn end(
        &self,
        host: &mut impl Host,
        key: SessionKey,
        pin: Pin,
        now: Timestamp,
    ) {
        self.state.lock().looks.absent.add(key, now);
        self.write(host, key, Write::End { pin, again: false }, now);
    }

    /// Ends of sessions that the store may not know of yet.
    pub(in crate::store) fn untold_ends(&self) -> Vec<(SessionKey, Pin)> {
        self.state.lock().write_back.untold_ends()
    }

    /// Writes back, as far as that can be done now.
    pub(in crate::store) fn catch_up(&self, host: &mut impl Host, now: Timestamp) {
        loop {
            let next = self.state.lock().write_back.begin(now);
            let Some((key, write)) = next else { return };
            if !self.send_write(host, key, write, now) {
                self.state.lock().write_back.failed(key, write, now);
            }
        }
    }

    pub(super) fn write(
        &self,
        host: &mut impl Host,
        key: SessionKey,
        write: Write,
        now: Timestamp,
    ) {
        self.state.lock().write_back.add(key, write);
        self.catch_up(host, now);
    }

    /// The store says that a session ended at `at`. Says what is to follow.
    pub(super) fn gone(&self, key: SessionKey, at: Timestamp, now: Timestamp) -> Option<Write> {
        self.state.lock().looks.absent.add(key, now);
        // Every look at that record prolongs its life.
        (now.since(at) >= self.commands.mourning()).then_some(Write::LetGo)
    }

    /// A write was answered.
    pub(super) fn written(
        &self,
        host: &mut impl Host,
        key: SessionKey,
        write: Write,
        reply: Result<Reply, Fault>,
        now: Timestamp,
        outcomes: &mut Vec<Outcome>,
    ) {
        let next = match write {
            Write::Keep(pin, at) => {
                let found = self.read(host, &key, reply, now);
                self.kept(key, (pin, at), found, now, outcomes)
            }
            Write::LetGo => match self.read(host, &key, reply, now) {
                // The id was given out again, and the new session is to live.
                Found::Pin(pin) => Next::Add(Write::Keep(Some(pin), now)),
                Found::Failed => Next::Failed,
                _ => Next::Done,
            },
            Write::End { pin, again } => match self.read(host, &key, reply, now) {
                Found::Pin(other) if is_same(&other, &pin) => {
                    Next::Go(Write::Bury { pin, over: Over::Another, again })
                }
                Found::Nothing => Next::Go(Write::Bury { pin, over: Over::Nothing, again }),
                Found::Failed => Next::Failed,
                // It was told already, or the id is another session's.
                Found::Pin(_)
                | Found::Ended(_)
                | Found::Untrusted
                | Found::OtherMode
                | Found::Newer => Next::Done,
            },
            Write::Restore(..) | Write::Bury { .. } => match (write, reply) {
                // The record came or went since it was read.
                (Write::Bury { pin, again: false, .. }, Ok(Reply::Nil)) => {
                    Next::Add(Write::End { pin, again: true })
                }
                (_, Ok(Reply::Text(_) | Reply::Nil)) => Next::Done,
                (_, Ok(Reply::Number(_)) | Err(_)) => Next::Failed,
            },
        };
        self.proceed(host, key, write, next, now);
        self.unpark(host, &key, now, outcomes);
        self.catch_up(host, now);
    }

    fn proceed(
        &self,
        host: &mut impl Host,
        key: SessionKey,
        write: Write,
        next: Next,
        now: Timestamp,
    ) {
        if let Next::Go(next) = next {
            if self.send_write(host, key, next, now) {
                return;
            }
            return self.state.lock().write_back.failed(key, next, now);
        }
        let mut state = self.state.lock();
        match next {
            Next::Failed => state.write_back.failed(key, write, now),
            Next::Add(next) => {
                state.write_back.done(&key);
                state.write_back.add(key, next);
            }
            Next::Done | Next::Go(_) => state.write_back.done(&key),
        }
    }

    /// A use was written down, and what it was written to is known.
    fn kept(
        &self,
        key: SessionKey,
        (believed, at): (Option<Pin>, Timestamp),
        found: Found,
        now: Timestamp,
        outcomes: &mut Vec<Outcome>,
    ) -> Next {
        let is_believed = |pin: &Pin| believed.is_some_and(|believed| is_same(pin, &believed));
        let next = match found {
            Found::Failed => return Next::Failed,
            Found::Untrusted | Found::OtherMode | Found::Newer => return Next::Done,
            Found::Nothing => {
                outcomes.extend(believed.map(|pin| Outcome::Missed(key, pin)));
                return Next::Done;
            }
            Found::Pin(pin) if self.commands.is_too_old(&pin, now) => {
                Next::Add(Write::End { pin, again: false })
            }
            Found::Pin(pin) if is_believed(&pin) => return Next::Done,
            // It was kept for as long as the one that was believed in may live.
            Found::Pin(pin) if believed.is_some() => Next::Add(Write::Keep(Some(pin), now)),
            Found::Pin(pin) if self.commands.ages_before_it_idles(&pin, now) => {
                Next::Add(Write::Keep(Some(pin), at))
            }
            Found::Pin(_) => Next::Done,
            Found::Ended(at) => self.gone(key, at, now).map_or(Next::Done, Next::Add),
        };
        outcomes.extend(believed.map(|pin| Outcome::Gone(key, pin)));
        next
    }

    fn send_write(
        &self,
        host: &mut impl Host,
        key: SessionKey,
        write: Write,
        now: Timestamp,
    ) -> bool {
        let command = match write {
            Write::Keep(pin, at) => {
                let bound_at = pin.map_or(at, |pin| pin.bound_at);
                self.commands.keep(&key, bound_at, at, now)
            }
            Write::Restore(pin, at) => {
                self.commands.set(&key, &Pin { used_at: at, ..pin }, Over::Nothing, now)
            }
            Write::LetGo => self.commands.let_go(&key),
            Write::End { .. } => self.commands.get(&key),
            Write::Bury { over, .. } => self.commands.bury(&key, over, now),
        };
        self.send(host, Purpose::Write(key, write), &command, now)
    }
}

/// Whether two pins are of one session: an id may be given out again.
pub(in crate::store) fn is_same(pin: &Pin, other: &Pin) -> bool {
    (pin.place, pin.bound_at) == (other.place, other.bound_at)
}
