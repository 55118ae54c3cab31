//! What ticks: Envoy has no timer for HTTP filters, so a thread of the module's own asks for each tick.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use crate::envoy::ConfigScheduler;

/// Asks for ticks until it is dropped. Its thread has ended by then: the module may be unloaded next.
pub(crate) struct Ticker {
    end: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// A tick is asked for and has not come yet: a main thread that is busy gets no second one.
#[derive(Clone, Default)]
pub(crate) struct Due(Arc<AtomicBool>);

impl Due {
    /// It has come.
    pub(crate) fn done(&self) {
        self.0.store(false, Ordering::Release);
    }
}

impl Ticker {
    pub(crate) fn start(
        period: Duration,
        scheduler: ConfigScheduler,
        event: u64,
        due: Due,
    ) -> io::Result<Self> {
        let (end, ended) = mpsc::channel();
        let tick = move || {
            while ended.recv_timeout(period) == Err(RecvTimeoutError::Timeout) {
                if !due.0.swap(true, Ordering::AcqRel) {
                    scheduler.commit(event);
                }
            }
        };
        let thread = Builder::new().name("podpin-tick".to_owned()).spawn(tick)?;
        Ok(Self { end: Some(end), thread: Some(thread) })
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.end.take();
        if let Some(thread) = self.thread.take() {
            // It cannot panic.
            let _ = thread.join();
        }
    }
}
