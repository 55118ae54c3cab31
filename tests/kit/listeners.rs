//! Listeners that come from a file, as they would from a control plane.

use std::path::Path;

use serde_json::{Value, json};

use crate::bootstrap::Bootstrap;

/// The one listener of an example, as such a file holds it.
pub fn listener(bootstrap: &Bootstrap) -> Value {
    let mut listener = bootstrap.0["static_resources"]["listeners"][0].clone();
    listener["@type"] = json!("type.googleapis.com/envoy.config.listener.v3.Listener");
    listener
}

/// An example whose listeners come from `file`.
pub fn by_file(mut bootstrap: Bootstrap, file: &Path) -> Bootstrap {
    bootstrap.0["node"] = json!({"id": "test", "cluster": "test"});
    bootstrap.0["static_resources"]["listeners"] = json!([]);
    bootstrap.0["dynamic_resources"] =
        json!({"lds_config": {"path_config_source": {"path": file}}});
    bootstrap
}
