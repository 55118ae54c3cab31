//! Steering by address: endpoints that come and go, and answers of the wrong one.

mod hostile;
mod loss;
mod moves;
mod strayed;
mod tls;

use kit::bootstrap::Bootstrap;
use kit::mode::Mode;
use serde_json::Value;

/// The modes that steer by address.
const MODES: [Mode; 3] = [Mode::Endpoint, Mode::OverrideHost, Mode::OriginalDst];

fn unchanged(example: Bootstrap) -> Bootstrap {
    example
}

/// Changes a filter of the example.
fn with_filter(mut example: Bootstrap, name: &str, change: impl FnOnce(&mut Value)) -> Bootstrap {
    let filter = example.filters().iter_mut().find(|filter| filter["name"] == name);
    change(filter.expect("the filter"));
    example
}

/// The sentence of Envoy's log about requests that stray, with what an operator is to check.
fn warning(log: &str) -> Option<&str> {
    log.lines().find(|line| line.contains("requests stray:"))
}
