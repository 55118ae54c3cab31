//! Configurations whose pins lie in session ids.

use serde_json::{Value, json};

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
