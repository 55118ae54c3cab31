//! The ways to steer, each with its example.

use serde_json::{Value, json};

/// A way to steer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Mode {
    Authority,
    DynamicHost,
    /// By Envoy's filter `stateful_session`, to pods that speak TLS.
    Endpoint,
    /// By Envoy's load-balancing policy `override_host`.
    OverrideHost,
    OriginalDst,
}

impl Mode {
    pub const ALL: [Self; 5] =
        [Self::Authority, Self::DynamicHost, Self::Endpoint, Self::OverrideHost, Self::OriginalDst];

    /// Its file in `envoy/`.
    pub fn example(self) -> &'static str {
        match self {
            Self::Authority => "envoy.yaml",
            Self::DynamicHost => "dynamic-host.yaml",
            Self::Endpoint => "endpoint.yaml",
            Self::OverrideHost => "override-host.yaml",
            Self::OriginalDst => "original-dst.yaml",
        }
    }

    /// Whether it steers to pods by their names.
    pub fn is_by_name(self) -> bool {
        matches!(self, Self::Authority | Self::DynamicHost)
    }

    /// Its value of `steer`.
    pub fn steer(self) -> Value {
        match self {
            Self::Authority => json!("authority"),
            Self::DynamicHost => json!("dynamic_host"),
            Self::Endpoint => json!("endpoint"),
            Self::OverrideHost => json!({"endpoint": {"encoding": "plain"}}),
            Self::OriginalDst => json!("original_dst"),
        }
    }
}
