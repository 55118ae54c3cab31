//! The streams of one worker thread, and when Envoy lets go of them.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use super::stream::Stream;

/// The streams of one worker thread.
#[derive(Default)]
pub(crate) struct Worker {
    /// Envoy 1.39 lets go of a stream at once, within whichever call ends it, and 1.40 later.
    minor: u32,
    pub(crate) streams: RefCell<HashMap<u32, Rc<Stream>>>,
    /// To be let go of.
    doomed: RefCell<Vec<Rc<Stream>>>,
    /// Their memory is kept, so that a use of it after that is told from any other.
    gone: RefCell<Vec<Rc<Stream>>>,
}

// === impl Worker ===

impl Worker {
    pub(crate) fn new(minor: u32) -> Self {
        Self { minor, ..Self::default() }
    }

    /// What is done between events: Envoy's deferred deletion.
    pub(crate) fn sweep(&self) {
        for stream in self.doomed.take() {
            stream.destroy();
        }
    }

    /// Lets go of streams that are gone.
    pub(crate) fn bury(&self) {
        self.gone.take();
    }

    /// A stream that the module was not taken from yet.
    pub(crate) fn stream(&self, number: u32) -> Option<Rc<Stream>> {
        let doomed = self.doomed.borrow();
        let found = doomed.iter().find(|stream| stream.number == number).cloned();
        found.or_else(|| self.streams.borrow().get(&number).cloned())
    }

    /// A stream is over.
    pub(super) fn let_go(&self, number: u32) {
        let stream = self.streams.borrow_mut().remove(&number);
        let Some(stream) = stream else { return };
        match self.minor {
            ..=39 => stream.destroy(),
            _ => self.doomed.borrow_mut().push(stream),
        }
    }

    pub(super) fn keep(&self, gone: Rc<Stream>) {
        self.gone.borrow_mut().push(gone);
    }
}
