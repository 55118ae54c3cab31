//! Where a response came from. Both modules read the same words of Envoy's.

use podpin::host::{Cause, Source};

/// What Envoy says when its DNS resolver had no answer, not even that there is no such name.
const DNS_WITHOUT_ANSWER: [&str; 2] =
    ["dns_resolution_failure{resolve_timeout", "dns_resolution_failure{cares_failure"];

/// In what Envoy says of a connection that failed for its TLS.
const TLS: &[u8] = b"TLS_error";

/// Where a response came from, by Envoy's own words for it (Envoy, "Response Code Details").
pub(crate) fn source_of(details: &[u8]) -> Source {
    let begins = |words: &[&str]| words.iter().any(|word| details.starts_with(word.as_bytes()));
    if details == b"via_upstream" {
        return Source::Pod;
    }
    let is_tls = details.windows(TLS.len()).any(|part| part == TLS);
    Source::Proxy(if begins(&DNS_WITHOUT_ANSWER) {
        // That says nothing about the name.
        Cause::TimedOut
    } else if is_tls {
        // Somebody is there.
        Cause::Other
    } else if begins(&["no_healthy_upstream", "dns_resolution_failure"]) {
        Cause::NoAddress
    } else if begins(&["upstream_reset_before_response_started{overflow", "overload", "dns_cache"])
    {
        Cause::Overloaded
    } else if begins(&["upstream_reset_before_response_started{connection_timeout"]) {
        // A pod that is too busy to take connections does not refuse them.
        Cause::TimedOut
    } else if begins(&["upstream_reset_before_response_started{remote_connection_failure"]) {
        Cause::Unreachable
    } else if begins(&["upstream_reset_before_response_started"]) {
        Cause::Reset
    } else if begins(&["response_timeout", "request_overall_timeout", "upstream_per_try"]) {
        Cause::TimedOut
    } else {
        Cause::Other
    })
}
