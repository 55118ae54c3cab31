//! Callouts that belong to the root context, whoever asks for them.
//!
//! A callout of an exchange ends with the exchange, and its response is lost. The root's live on. But
//! the SDK gives a callout to whichever context it dispatches a callback to at that moment, so to
//! make one of the root's from within an exchange, the root has to be dispatched to: by calling the
//! SDK's entry for a callback that Envoy itself never makes here.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use podpin::host::{CallId, Callout, Refused};
use proxy_wasm::hostcalls;

unsafe extern "C" {
    /// The SDK's, in this same module. Dispatches to [`RootContext::on_queue_ready`].
    ///
    /// [`RootContext::on_queue_ready`]: proxy_wasm::traits::RootContext::on_queue_ready
    fn proxy_on_queue_ready(context: u32, queue: u32);
}

/// The callouts of one root context.
pub(crate) struct Callouts {
    root: u32,
    /// A callback of the root runs already.
    in_root: Cell<bool>,
    wanted: RefCell<Option<Callout>>,
    sent: Cell<Option<u32>>,
}

/// While this lives, a callback of the root runs.
pub(crate) struct InRoot<'a>(&'a Cell<bool>);

impl Drop for InRoot<'_> {
    fn drop(&mut self) {
        self.0.set(false);
    }
}

impl Callouts {
    pub(crate) fn new(root: u32) -> Self {
        Self { root, in_root: Cell::default(), wanted: RefCell::default(), sent: Cell::default() }
    }

    /// To be held by every callback of the root that Envoy makes.
    pub(crate) fn in_root(&self) -> InRoot<'_> {
        self.in_root.set(true);
        InRoot(&self.in_root)
    }

    /// Makes a callout of the root's. `current` is the context whose callback runs.
    pub(crate) fn call(&self, callout: &Callout, current: u32) -> Result<CallId, Refused> {
        self.sent.set(None);
        self.wanted.replace(Some(callout.clone()));
        hostcalls::set_effective_context(self.root).map_err(|_| Refused)?;
        if self.in_root.get() {
            self.send();
        } else {
            // SAFETY: the SDK holds the contexts of exchanges while one of their callbacks runs,
            // not those of roots, and `send` touches neither.
            unsafe { proxy_on_queue_ready(self.root, 0) };
        }
        hostcalls::set_effective_context(current).map_err(|_| Refused)?;
        self.sent.take().map(|token| CallId(token.into())).ok_or(Refused)
    }

    /// Sends what is wanted, dispatched to the root.
    pub(crate) fn send(&self) {
        let Some(callout) = self.wanted.take() else { return };
        let mut headers = vec![
            (":method", callout.method),
            (":path", callout.path.as_str()),
            (":authority", callout.authority.as_str()),
        ];
        headers
            .extend(callout.headers.iter().map(|(name, value)| (name.as_str(), value.0.as_str())));
        // Envoy takes 0 for no limit.
        let timeout = callout.timeout.max(Duration::from_millis(1));
        let body = Some(callout.body.as_slice());
        let sent = hostcalls::dispatch_http_call(&callout.cluster, headers, body, vec![], timeout);
        self.sent.set(sent.ok());
    }
}
