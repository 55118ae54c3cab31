//! Podpin inside Envoy: proxy-wasm callbacks in, host calls out, and no decision in between.

#![allow(missing_docs, reason = "the SDK's own entry point has none")]

mod callouts;
mod envoy;
mod hostcalls;
mod root;
mod source;
mod stream;

proxy_wasm::main! {{
    proxy_wasm::set_root_context(|id| Box::new(root::Root::new(id)));
}}
