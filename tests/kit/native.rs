//! The examples of `envoy/` with the dynamic module in the place of the wasm module.

use std::path::Path;

use serde_json::{Value, json};

use crate::bootstrap::Bootstrap;
use crate::root;

/// The dynamic module, below the root of the repository.
pub const MODULE: &str = "dist/libpodpin.so";

/// The same that panics where a request asks for it.
pub const TRIP: &str = "dist/libpodpin-trip.so";

impl Bootstrap {
    /// The same with the dynamic module.
    pub fn natively(self) -> Self {
        self.natively_by(&root().join(MODULE))
    }

    /// The same with this one.
    pub fn natively_by(self, module: &Path) -> Self {
        // The notes are filter state of the same names, without what Envoy puts before those of wasm.
        let text = self.0.to_string().replace("wasm.podpin.", "podpin.");
        let mut native = Self(serde_json::from_str(&text).expect("JSON"));
        let mut sets_endpoint = false;
        for filter in native.filters() {
            let config = &filter["typed_config"]["config"]["configuration"]["value"];
            let Some(config) = config.as_str() else { continue };
            let plugin: Value = serde_json::from_str(config).expect("JSON");
            sets_endpoint |= plugin["steer"] == "endpoint";
            filter["typed_config"] = typed_config(module, config);
        }
        if sets_endpoint {
            // It tells Envoy itself.
            native
                .filters()
                .retain(|filter| filter["name"] != "envoy.filters.http.stateful_session");
        }
        native
    }
}

/// The filter with this configuration.
fn typed_config(module: &Path, config: &str) -> Value {
    json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.http.dynamic_modules.v3.DynamicModuleFilter",
        "dynamic_module_config": {
            "module": {"local": {"filename": module.display().to_string()}},
            "do_not_close": true,
        },
        "filter_name": "podpin",
        "filter_config": {
            "@type": "type.googleapis.com/google.protobuf.StringValue",
            "value": config,
        },
    })
}
