//! The filter as configured for one workload, on one worker thread: what its exchanges share.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use log::warn;

use crate::config::Config;
use crate::host::{CallId, CallResponse, Host};
use crate::pin::Timestamp;
use crate::session::SessionKey;
use crate::store::{Store, Wake};

/// One configuration at work.
#[derive(Debug)]
pub struct Plugin {
    pub(crate) config: Config,
    pub(crate) store: Store,
    /// Exchanges that went to the pod of their session and are not over: the session of each, and
    /// when it was last noted as in use.
    running: RefCell<BTreeMap<u32, (SessionKey, Timestamp)>>,
    /// Where among them the next tick begins.
    next_running: Cell<u32>,
    /// The time of the last tick: a clock that costs nothing to read.
    ticked: Cell<Timestamp>,
}

// === impl Plugin ===

impl Plugin {
    /// Begins to serve a workload.
    pub fn start(config: Config, host: &mut impl Host) -> Rc<Self> {
        for key in &config.without_effect {
            warn!("{key} has no effect in this version");
        }
        let store = Store::open(&config, host);
        let ticked = Cell::new(host.now());
        Rc::new(Self {
            config,
            store,
            running: RefCell::default(),
            next_running: Cell::new(0),
            ticked,
        })
    }

    /// A response to a callout came. Says which exchanges are to be told what by
    /// [`crate::filter::Filter::on_wake`].
    pub fn on_call_response(
        &self,
        host: &mut impl Host,
        call: CallId,
        response: &CallResponse,
    ) -> Vec<(u32, Wake)> {
        self.store.on_call_response(host, call, response)
    }

    /// How often [`Plugin::tick`] is to be called.
    pub fn tick_period(&self) -> Duration {
        (self.config.lifetime.idle_timeout / 20).min(Duration::from_secs(1))
    }

    /// Keeps sessions from idling out while an exchange of theirs runs, however long.
    pub fn tick(&self, host: &mut impl Host) {
        /// So many at most, lest requests wait for a tick to end. The next one goes on.
        const NOTED: usize = 500;
        let now = host.now();
        self.ticked.set(now);
        let lifetime = &self.config.lifetime;
        let mut running = self.running.borrow_mut();
        let mut due = running
            .range_mut(self.next_running.get()..)
            .filter(|(_, (_, noted))| lifetime.wants_refresh(*noted, now));
        for (_, (key, noted)) in due.by_ref().take(NOTED) {
            *noted = now;
            self.store.touch(host, *key, now);
        }
        self.next_running.set(due.next().map_or(0, |(id, _)| *id));
        self.store.catch_up(host, now);
    }

    /// Keeps a session from idling out until the exchange `id` is over.
    pub(crate) fn runs(&self, id: u32, key: SessionKey) {
        self.running.borrow_mut().insert(id, (key, self.ticked.get()));
    }

    /// The exchange `id` no longer keeps its session from idling out.
    pub(crate) fn rests(&self, id: u32) {
        self.running.borrow_mut().remove(&id);
    }
}
