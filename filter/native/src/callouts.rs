//! Requests of the filter's own. They are the configuration's, made on the main thread, so that they outlive
//! the exchanges that ask for them; and they are made after the core has returned, whoever asked: it is told
//! what came of one only once it knows that it has asked.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use podpin::host::{CallId, CallResponse, Callout};

use crate::envoy::{ConfigScheduler, Main, Request, SentId};

/// The requests of one configuration.
pub(crate) struct Callouts {
    scheduler: ConfigScheduler,
    event: u64,
    next: AtomicU64,
    wanted: Mutex<VecDeque<(CallId, Callout)>>,
    sent: Mutex<Sent>,
}

#[derive(Default)]
struct Sent {
    /// By what Envoy calls them.
    running: HashMap<SentId, CallId>,
    /// The one that is being sent: Envoy may say what came of it before it says what it calls it.
    sending: Option<CallId>,
}

/// There was no sending a request.
const NOT_SENT: CallResponse =
    CallResponse { status: 503, is_from_server: false, body: Vec::new() };

// === impl Callouts ===

impl Callouts {
    /// `event` is to be followed by [`Callouts::send`] on the main thread.
    pub(crate) fn new(scheduler: ConfigScheduler, event: u64) -> Self {
        let (wanted, sent) = (Mutex::default(), Mutex::default());
        Self { scheduler, event, next: AtomicU64::new(1), wanted, sent }
    }

    /// A name for one more.
    pub(crate) fn name(&self) -> CallId {
        CallId(self.next.fetch_add(1, Ordering::Relaxed))
    }

    /// Has these be sent. To be called when the core has returned.
    pub(crate) fn want(&self, wanted: Vec<(CallId, Callout)>) {
        if !wanted.is_empty() {
            held(&self.wanted).extend(wanted);
            self.scheduler.commit(self.event);
        }
    }

    /// Sends what is wanted. Gives those that could not be sent.
    pub(crate) fn send(&self, main: &Main<'_>) -> Vec<(CallId, CallResponse)> {
        let mut failed = Vec::new();
        loop {
            let Some((id, callout)) = held(&self.wanted).pop_front() else { return failed };
            held(&self.sent).sending = Some(id);
            let sent = send(main, &callout);
            let mut state = held(&self.sent);
            // If that is nobody any more, its response has come.
            if let Some(id) = state.sending.take() {
                match sent {
                    Some(sent) => drop(state.running.insert(sent, id)),
                    None => failed.push((id, NOT_SENT)),
                }
            }
        }
    }

    /// The response to a request came. Says to which.
    pub(crate) fn answered(&self, sent: SentId) -> Option<CallId> {
        let mut state = held(&self.sent);
        state.running.remove(&sent).or_else(|| state.sending.take())
    }
}

fn send(main: &Main<'_>, callout: &Callout) -> Option<SentId> {
    let mut fields: Vec<(&str, &[u8])> = vec![
        (":method", callout.method.as_bytes()),
        (":path", callout.path.as_bytes()),
        (":authority", callout.authority.as_bytes()),
    ];
    fields.extend(callout.headers.iter().map(|(name, value)| (name.as_str(), value.0.as_bytes())));
    // Envoy takes 0 for no limit.
    let timeout = callout.timeout.max(Duration::from_millis(1));
    main.send(&Request {
        cluster: &callout.cluster,
        fields: &fields,
        body: &callout.body,
        milliseconds: timeout.as_millis().try_into().unwrap_or(u64::MAX),
    })
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
