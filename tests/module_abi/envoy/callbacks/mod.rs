//! What Envoy exports for modules to call.
//!
//! SAFETY of all of them: the module passes what it got of this side, or data that lives for the call, and places
//! for results.

mod bodies;
mod configuration;
mod messages;
mod streams;

use kit::model::Pairs;

use super::abi::{self, Buf, Field};

/// Header fields that the module passes.
unsafe fn pairs(fields: *const Field, count: usize) -> Pairs {
    let fields = unsafe { abi::all(fields, count) };
    fields.iter().map(|field| unsafe { (field.name.text(), field.value.bytes()) }).collect()
}

/// Texts that the module passes.
unsafe fn texts(data: *const Buf, count: usize) -> Vec<String> {
    unsafe { abi::all(data, count) }.iter().map(|text| unsafe { text.text() }).collect()
}
