//! What threads of a proxy may share.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// A mutex that goes on after a panic: whoever held it left a value that is whole, only perhaps an
/// old one. On a proxy that gives each thread a memory of its own it costs next to nothing.
#[derive(Debug, Default)]
pub(crate) struct Lock<T>(Mutex<T>);

impl<T> Lock<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(Mutex::new(value))
    }

    /// Must not be called by who holds it.
    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
