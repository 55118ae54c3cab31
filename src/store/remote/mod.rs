//! A Redis that several proxies share, asked through HTTP callouts.
//!
//! Exchanges wait for look-ups and bindings; those of one session share a look-up. The rest is
//! written back: nobody waits for it, and what fails takes another turn. Each of the three pauses
//! by itself: what fails for one, the store may well do for the others.
//!
//! ```text
//! look-up      GETEX                             of an id that the store did not know just now: none
//! binding      SET NX                            of an id that is taken: then GET, SET XX
//! use          GETEX                             that the store has lost: then SET NX
//! end          GET, SET XX (NX) of the end       of a session that another has replaced: only GET
//! ```
//!
//! The end of a session is a record too, or a proxy that has yet to hear of it would write the
//! session down again. It is told only on top of the pin that ended: by now the id may be another's.

mod absent;
mod binds;
mod breaker;
mod commands;
pub(super) mod dialect;
mod front;
mod looks;
mod record;
mod signed;
mod write_back;
mod writes;

use std::collections::BTreeMap;

use super::outcome::{Binding, Lookup};
use super::settings::RedisConfig;
use crate::host::{CallId, CallResponse, ExchangeId, Host};
use crate::lock::Lock;
use crate::pods::Places;
use crate::session::{Lifetime, Pin, Scope, SessionKey, Timestamp};

pub(super) use binds::Opened;
use binds::{Binds, Stage};
use commands::Commands;
use dialect::{Fault, Reply};
use front::Front;
use looks::Looks;
use record::{Record, Unread};
use signed::Signer;
use write_back::{Write, WriteBack};
pub(super) use writes::is_same;

/// A Redis behind an HTTP front.
#[derive(Debug)]
pub(super) struct Remote {
    front: Front,
    commands: Commands,
    state: Lock<State>,
}

/// What is under way.
#[derive(Debug, Default)]
struct State {
    calls: BTreeMap<CallId, Purpose>,
    looks: Looks,
    binds: Binds,
    write_back: WriteBack,
}

/// Why a call was made.
#[derive(Clone, Copy, Debug)]
enum Purpose {
    Look(SessionKey),
    Bind(Opened, Stage),
    Write(SessionKey, Write),
}

/// What the store says of a session.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Found {
    /// It lives there.
    Pin(Pin),
    /// It ended then.
    Ended(Timestamp),
    /// Nothing.
    Nothing,
    /// Something that is not trusted.
    Untrusted,
    /// A pin that is of no use to this mode of steering.
    OtherMode,
    /// Something that only newer releases understand.
    Newer,
    /// It cannot say.
    Failed,
}

/// What came of a call.
pub(super) enum Outcome {
    /// A session was looked up for these exchanges.
    Looked { key: SessionKey, exchanges: Vec<ExchangeId>, found: Lookup },
    /// A session was to be bound.
    Stored(Opened, Binding),
    /// The store does not have a session that is in use.
    Missed(SessionKey, Pin),
    /// The session of this pin has ended, says the store.
    Gone(SessionKey, Pin),
}

// === impl Remote ===

impl Remote {
    pub(super) fn new(
        redis: RedisConfig,
        scope: &Scope,
        places: Places,
        lifetime: Lifetime,
        is_bound: bool,
    ) -> Self {
        let key_prefix = redis.key_prefix.clone();
        let signer = redis.keyring.clone().map(|ring| Signer { ring, scope: scope.own_key() });
        Self {
            front: Front::new(redis),
            commands: Commands { key_prefix, places, lifetime, is_bound, signer },
            state: Lock::default(),
        }
    }

    /// An exchange waits no longer for what it asked.
    pub(super) fn leave(&self, exchange: ExchangeId) {
        let mut state = self.state.lock();
        state.looks.leave(exchange);
        state.binds.leave(exchange);
        for purpose in state.calls.values_mut() {
            if let Purpose::Bind(opened, _) = purpose
                && opened.exchange == Some(exchange)
            {
                opened.exchange = None;
            }
        }
    }

    pub(super) fn on_call_response(
        &self,
        host: &mut impl Host,
        call: CallId,
        response: &CallResponse,
        now: Timestamp,
    ) -> Vec<Outcome> {
        let purpose = self.state.lock().calls.remove(&call);
        let Some(purpose) = purpose else { return Vec::new() };
        let reply = self.front.reply(host, response, now);
        if reply.is_ok() && !matches!(purpose, Purpose::Write(..)) {
            self.front.is_well();
        }
        let mut outcomes = Vec::new();
        match purpose {
            Purpose::Look(key) => outcomes.push(self.looked(host, key, reply, now)),
            Purpose::Bind(opened, stage) => {
                outcomes.extend(self.bound(host, opened, stage, reply, now));
            }
            Purpose::Write(key, write) => {
                self.written(host, key, write, reply, now, &mut outcomes);
            }
        }
        outcomes
    }

    /// Reads what the store replied, and tells what is wrong with it.
    fn read(
        &self,
        host: &mut impl Host,
        key: &SessionKey,
        reply: Result<Reply, Fault>,
        now: Timestamp,
    ) -> Found {
        let text = match reply {
            Ok(Reply::Text(text)) => text,
            Ok(Reply::Nil) => return Found::Nothing,
            Ok(Reply::Number(_)) | Err(_) => return Found::Failed,
        };
        match self.commands.record(key, &text) {
            Ok(Record::Pin(pin)) => Found::Pin(pin),
            Ok(Record::Ended(at)) => Found::Ended(at),
            Err(Unread::OtherMode) => Found::OtherMode,
            Err(unread) => {
                let fault = format!("the stored value of session {key} {unread}");
                if matches!(unread, Unread::Newer | Unread::Signed) {
                    self.front.fault(host, &fault, now);
                    return Found::Newer;
                }
                self.front.untrusted(host, &fault, now);
                Found::Untrusted
            }
        }
    }

    /// Sends a command. False if the proxy cannot.
    fn send(
        &self,
        host: &mut impl Host,
        purpose: Purpose,
        command: &[String],
        now: Timestamp,
    ) -> bool {
        let sent = self.front.send(host, command, now);
        sent.map(|call| self.state.lock().calls.insert(call, purpose)).is_ok()
    }
}
