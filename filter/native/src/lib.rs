//! Podpin inside Envoy as a dynamic module: Envoy's hooks in, its callbacks out, and no decision in between.
//!
//! `unsafe` is in three modules: `abi` declares what Envoy exports, `envoy` makes it safe to call, and `hooks` is what
//! Envoy calls. No panic gets past that.

#![deny(unsafe_code)]

mod abi;
mod attributes;
mod callouts;
mod envoy;
mod hooks;
mod host;
mod logger;
mod metrics;
mod plugin;
mod shared;
#[path = "../../src/source.rs"]
mod source;
mod stream;
mod ticker;
mod waiting;
