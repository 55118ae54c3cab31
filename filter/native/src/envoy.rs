//! Envoy's callbacks, safe to call.
//!
//! What Envoy hands over lives until the hook ends or until something is changed. So a [`Hook`] gives
//! views for as long as it is borrowed, and whatever changes anything borrows it mutably. Calls by which
//! Envoy calls back take it by value or say so: none may be made while the filter is borrowed.

#![allow(unsafe_code)]

mod fields;
mod hook;
mod main_thread;
mod scheduler;

use std::ffi::CStr;
use std::slice;

use crate::abi::{self, Buf, Field};

pub(crate) use fields::{Body, Fields, Map};
pub(crate) use hook::Hook;
pub(crate) use main_thread::{Main, Request, SentId};
pub(crate) use scheduler::{ConfigScheduler, Scheduler};

/// A metric as Envoy knows it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MetricId(usize);

// SAFETY of all calls here and in the modules below, unless they say more: the pointers are those that Envoy gave to the hook that
// runs, and every buffer is alive for the call, which is all that Envoy asks of what a module passes.

/// Writes a line to Envoy's log, from any thread.
pub(crate) fn log(level: u32, line: &str) {
    unsafe { abi::log(level, of(line)) };
}

/// Whether Envoy's log takes lines of this level.
pub(crate) fn is_logged(level: u32) -> bool {
    unsafe { abi::log_enabled(level) }
}

/// Whether this process only judges a configuration. On the main thread.
pub(crate) fn is_validating() -> bool {
    unsafe { abi::is_validation_mode() }
}

/// The version of the ABI that the Envoy around this module wants to hear; it warns of any other. What is
/// used here all of them have.
pub(crate) fn abi_version() -> &'static CStr {
    match abi::optional(abi::SINCE_40) {
        Some(_) => c"v0.2.0",
        None => c"v0.1.0",
    }
}

/// The first bytes of what lies in pieces.
///
/// # Safety
///
/// The pieces are alive.
pub(crate) unsafe fn joined(pieces: &[Buf], size: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    for piece in pieces {
        let left = size - bytes.len();
        // SAFETY: as the caller says.
        let piece = unsafe { view(*piece) };
        bytes.extend_from_slice(piece.get(..left).unwrap_or(piece));
        if bytes.len() == size {
            break;
        }
    }
    bytes
}

/// # Safety
///
/// The bytes live for `'a`.
pub(crate) unsafe fn view<'a>(Buf { data, size }: Buf) -> &'a [u8] {
    // SAFETY: as the caller says; Envoy's null is empty.
    if data.is_null() { &[] } else { unsafe { slice::from_raw_parts(data, size) } }
}

fn of(bytes: &(impl AsRef<[u8]> + ?Sized)) -> Buf {
    let bytes = bytes.as_ref();
    Buf { data: bytes.as_ptr(), size: bytes.len() }
}

fn field(&(name, value): &(&str, &[u8])) -> Field {
    Field { name: of(name), value: of(value) }
}
