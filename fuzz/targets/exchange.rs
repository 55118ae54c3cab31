//! Any events in any order, in a world of proxies, pods and clients.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    fuzz::world::run(bytes);
});
