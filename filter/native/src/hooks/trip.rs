//! What tests ask for: panics, and what no exchange does so far.

use crate::envoy::Hook;
use crate::stream::Stream;

#[cfg(feature = "trip")]
pub(super) fn on_stream(stream: &Stream, hook: &mut Hook<'_>, name: &str) {
    let asked = hook.header(crate::envoy::Map::Request, "x-trip");
    assert_ne!(asked, Some(name.as_bytes()), "asked to");
    if asked == Some(b"gauge") {
        stream.set_gauge(hook);
    }
}

#[cfg(feature = "trip")]
pub(super) fn on_config(name: &str) {
    let asked = std::env::var("PODPIN_TRIP");
    assert_ne!(asked.as_deref(), Ok(name), "asked to");
}

#[cfg(not(feature = "trip"))]
pub(super) fn on_stream(_: &Stream, _: &mut Hook<'_>, _: &str) {}

#[cfg(not(feature = "trip"))]
pub(super) fn on_config(_: &str) {}
