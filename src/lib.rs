//! Podpin keeps every MCP session on the pod that opened it.
//!
//! This crate decides; it touches nothing. It has no proxy, no clock, no I/O and no randomness of
//! its own: a [`host::Host`] supplies those, and [`filter::Filter`] drives one HTTP exchange
//! through it. The crate `podpin-filter` is that host inside Envoy; tests bring their own.
//!
//! Read [`exchange`] first: it is the life of one request, as a state machine.

#![forbid(unsafe_code)]

mod census;
pub mod config;
pub mod exchange;
pub mod filter;
pub mod host;
pub mod http;
pub mod identity;
mod in_use;
pub mod keyring;
mod lock;
pub mod message;
pub mod modern;
#[cfg(test)]
mod mutation;
pub mod pods;
pub mod session;
mod shared_data;
mod sorted;
pub mod steer;
pub mod store;
pub mod telemetry;
pub mod watch;
pub mod worker;
