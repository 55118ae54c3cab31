//! What Envoy calls. Each of these makes Envoy's pointers safe to use, keeps what they point to alive while
//! it runs, and lets no panic through: that would be the end of Envoy.

#![allow(unsafe_code)]

mod configuration;
mod stream;
mod trip;
mod unused;

use std::ffi::c_char;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::rc::Rc;

use crate::abi::{ConfigPtr, StreamPtr};
use crate::envoy::{self, Hook, Main};
use crate::logger;
use crate::plugin::Configuration;
use crate::stream::{self as exchange, Fate, Stream};

/// Its pointer is what Envoy has of a stream: one share of an `Rc<Stream>`.
type Mine = *const Stream;

/// What Envoy has of a stream for which there is no filter, since making it panicked. Not null: Envoy 1.39
/// would let the request wait without end.
static NO_FILTER: u8 = 0;

fn no_filter() -> Mine {
    ptr::from_ref(&NO_FILTER).cast()
}

// SAFETY of all hooks: Envoy calls them as its ABI says: with the pointers that it was given for these
// very objects, while those live, and on one thread at a time.

/// Runs a hook of a stream. If it panics, the exchange fails, and `failed` is what Envoy gets.
///
/// # Safety
///
/// The pointers are those that Envoy gave to the hook that runs.
unsafe fn on_stream<T: Copy>(
    name: &str,
    stream: StreamPtr,
    mine: Mine,
    (failed, fate): (T, Fate),
    run: impl FnOnce(&Stream, &mut Hook<'_>) -> T,
) -> T {
    if mine == no_filter() {
        // SAFETY: as the caller says.
        let mut hook = unsafe { Hook::new(stream) };
        if fate == Fate::Answered {
            let refuse = AssertUnwindSafe(|| exchange::refuse(&mut hook));
            let _ = catch_unwind(refuse);
        }
        return failed;
    }
    // SAFETY: Envoy's share is there, as the caller says. This one outlives what Envoy may do in between.
    let (shared, mut hook) = unsafe {
        Rc::increment_strong_count(mine);
        (Rc::from_raw(mine), Hook::new(stream))
    };
    let ran = catch_unwind(AssertUnwindSafe(|| {
        trip::on_stream(&shared, &mut hook, name);
        run(&shared, &mut hook)
    }));
    ran.unwrap_or_else(|_| {
        let failing = AssertUnwindSafe(|| shared.fail(&mut hook, name, fate));
        // Then there is nothing left to do.
        let _ = catch_unwind(failing);
        failed
    })
}

/// Runs a hook of a configuration, likewise.
///
/// # Safety
///
/// As above.
unsafe fn on_config(
    name: &str,
    config: ConfigPtr,
    mine: *const Configuration,
    run: impl FnOnce(&Configuration, &Main<'_>),
) {
    // SAFETY: as the caller says.
    let (Some(configuration), main) = (unsafe { (mine.as_ref(), Main::new(config)) }) else {
        return;
    };
    let ran = catch_unwind(AssertUnwindSafe(|| {
        trip::on_config(name);
        run(configuration, &main);
    }));
    if ran.is_err() {
        let failing = AssertUnwindSafe(|| configuration.panicked(&main, name));
        let _ = catch_unwind(failing);
    }
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_program_init() -> *const c_char {
    let version = catch_unwind(|| {
        logger::start();
        envoy::abi_version().as_ptr()
    });
    version.unwrap_or(ptr::null())
}
