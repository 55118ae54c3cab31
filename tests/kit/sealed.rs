//! Configurations whose pins lie in session ids.

use serde_json::{Value, json};

use crate::bootstrap::Bootstrap;

/// A key that is as good as any, and one that takes its place.
pub const KEY: &str = "1f8b0a44c0e94d6e93d2a8b7516c3fe207bb5a19de7184f69c0d52e8ab36417f";
pub const NEW_KEY: &str = "5Yb0n8mQ3tLr1WcVxKf7oZ2uAe9sJd4hGi6pNqRTyBE=";

/// Has a configuration seal pins.
pub fn sealed(plugin: &mut Value) {
    let keys = json!([{"id": "test", "key": KEY}]);
    plugin["store"] = json!({"kind": "sealed", "keys": keys, "remember_ended": 100});
    if let Some(plugin) = plugin.as_object_mut() {
        plugin.remove("sse_paths");
    }
    let session = plugin.get_mut("session").and_then(Value::as_object_mut);
    if let Some(session) = session {
        session.remove("idle_timeout");
    }
}

/// The variable from which examples take their keys.
pub const KEYS_ENV: &str = "PODPIN_KEYS";

/// What is in it in tests.
pub fn keys() -> String {
    format!("test:{KEY}")
}

/// Has Envoy's filter seal pins, with keys from its environment.
pub fn sealed_by_env(mut example: Bootstrap) -> Bootstrap {
    let filters = example.filters().iter_mut();
    for filter in filters.filter(|filter| filter["name"] == "podpin") {
        let vm = &mut filter["typed_config"]["config"]["vm_config"];
        vm["environment_variables"] = json!({"host_env_keys": [KEYS_ENV]});
    }
    example.plugin(|plugin| {
        sealed(plugin);
        plugin["store"] = json!({"kind": "sealed", "keys_env": KEYS_ENV});
    })
}
