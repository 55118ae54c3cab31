//! The time of day, which tests rule over: this process asks here, the module as well.

use std::cell::Cell;
use std::ffi::{c_int, c_long};

const REALTIME: c_int = 0;
/// The number of the system call on the machines that tests run on.
#[cfg(target_arch = "x86_64")]
const CLOCK_GETTIME: c_long = 228;
#[cfg(target_arch = "aarch64")]
const CLOCK_GETTIME: c_long = 113;

thread_local! {
    /// In milliseconds since the Unix epoch; 0 for what the system says.
    static NOW: Cell<u64> = const { Cell::new(0) };
}

/// Of libc.
#[repr(C)]
struct Timespec {
    seconds: i64,
    nanoseconds: c_long,
}

unsafe extern "C" {
    fn syscall(number: c_long, ...) -> c_long;
}

/// What this thread takes for the time of day.
pub(crate) fn now() -> u64 {
    NOW.get()
}

/// Sets it.
pub(crate) fn set(milliseconds: u64) {
    NOW.set(milliseconds);
}

/// In the place of libc's.
#[unsafe(no_mangle)]
unsafe extern "C" fn clock_gettime(clock: c_int, time: *mut Timespec) -> c_int {
    match NOW.try_with(Cell::get) {
        Ok(now) if clock == REALTIME && now > 0 => {
            let (seconds, nanoseconds) = (now / 1000, now % 1000 * 1_000_000);
            // SAFETY: the caller's place for a time.
            unsafe {
                *time = Timespec { seconds: seconds as i64, nanoseconds: nanoseconds as c_long };
            }
            0
        }
        // SAFETY: as libc would ask.
        _ => unsafe { syscall(CLOCK_GETTIME, clock, time) as c_int },
    }
}
