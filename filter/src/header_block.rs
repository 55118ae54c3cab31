//! All headers of a message as one block, as the host packs them.
//!
//! The SDK has a call for this too, but it copies every name and value into an allocation of its
//! own, and panics on a name that is not UTF-8.

use std::ptr;

use podpin::headers::Headers;
use proxy_wasm::types::{MapType, Status};

#[link(wasm_import_module = "env")]
unsafe extern "C" {
    fn proxy_get_header_map_pairs(
        map: MapType,
        return_data: *mut *mut u8,
        return_size: *mut usize,
    ) -> Status;
}

/// The headers of `map`; none if the host has no such map now.
pub(crate) fn headers(map: MapType) -> Headers {
    let mut data: *mut u8 = ptr::null_mut();
    let mut size = 0;
    // SAFETY: both pointers are to live locals that the host fills before it returns.
    let status = unsafe { proxy_get_header_map_pairs(map, &raw mut data, &raw mut size) };
    if !matches!(status, Status::Ok) || data.is_null() {
        return Headers::default();
    }
    // SAFETY: proxy-wasm ABI 0.2.1: the host got `data` from this module's
    // `proxy_on_memory_allocate`, which makes a `Vec` of exactly `size` octets, filled it, and
    // leaves it to the module.
    Headers::packed(unsafe { Vec::from_raw_parts(data, size, size) })
}
