//! The example configurations of `envoy/`, adapted to the ports of one test.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::{native, root};

pub use simulated::{ADDRESSED, PODS};

/// One of the files in `envoy/`, as a value.
#[derive(Clone, Debug)]
pub struct Bootstrap(pub Value);

/// The ports that an example is written with.
pub const LISTENER: u16 = 10000;
pub const ADMIN: u16 = 9901;
pub const DNS: u16 = 10053;
pub const POD: u16 = 8080;
pub const WEBDIS: u16 = 7379;

const CONNECTION_MANAGER: &str =
    "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config";

/// The certificate authority that an example is written with.
const AUTHORITY: &str = "/etc/podpin/ca.pem";

/// What Istio writes into the bootstrap of its proxies: `stats_config` of its template
/// `envoy_bootstrap.json`, filled in for `extraStatTags: [scope, ordinal]`.
const ISTIO_STATS: &str = include_str!("../fixtures/istio-stats.json");

/// The module, below the root of the repository.
pub const MODULE: &str = "dist/podpin.wasm";

impl Bootstrap {
    /// Reads `envoy/<file>`.
    pub fn example(file: &str) -> Result<Self> {
        Self::example_in(&root().join("envoy"), file)
    }

    /// The same from another directory, such as one with the examples of an older module.
    pub fn example_in(directory: &Path, file: &str) -> Result<Self> {
        let path = directory.join(file);
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let value: Value =
            serde_yaml_ng::from_str(&text).with_context(|| path.display().to_string())?;
        let filters = value.pointer(CONNECTION_MANAGER).map(|manager| &manager["http_filters"]);
        if !filters.is_some_and(Value::is_array) {
            bail!("{} has no listener with HTTP filters as its first", path.display());
        }
        let built = if text.contains(native::MODULE) { native::MODULE } else { MODULE };
        Ok(Self(value).with_module(&root().join(built)))
    }

    /// Puts `module` in the place of the one that is built, wherever that is named.
    pub fn with_module(mut self, module: &Path) -> Self {
        let built = [MODULE, native::MODULE];
        let built = built.map(|path| [path.to_owned(), root().join(path).display().to_string()]);
        let built = built.concat();
        let mut named = false;
        walk("", &mut self.0, &mut |_, value| {
            if built.iter().any(|path| value == path) {
                *value = module.display().to_string().into();
                named = true;
            }
        });
        assert!(named, "no module to replace");
        self
    }

    /// Replaces one of the example's ports, wherever it stands.
    pub fn port(mut self, from: u16, to: u16) -> Self {
        let suffix = format!(":{from}");
        let replace = |key: &str, value: &mut Value| {
            if matches!(key, "port" | "port_value") && *value == from {
                *value = to.into();
            } else if let Some(host) = value.as_str().and_then(|text| text.strip_suffix(&suffix)) {
                *value = format!("{host}:{to}").into();
            }
        };
        walk("", &mut self.0, &mut &replace);
        self.plugin(|plugin| walk("", plugin, &mut &replace))
    }

    /// Has Envoy trust this authority for the pods, if they speak TLS.
    pub fn trusting(mut self, authority: &Path) -> Self {
        walk("", &mut self.0, &mut |key, value| {
            if key == "filename" && value == AUTHORITY {
                *value = authority.display().to_string().into();
            }
        });
        self
    }

    /// Whether Envoy speaks TLS to the pods.
    pub fn has_tls(&self) -> bool {
        let clusters = self.0["static_resources"]["clusters"].as_array();
        clusters.is_some_and(|all| all.iter().any(|one| one.get("transport_socket").is_some()))
    }

    /// Has Envoy speak plain HTTP to the pods.
    pub fn without_tls(mut self) -> Self {
        let clusters = self.0["static_resources"]["clusters"].as_array_mut();
        for cluster in clusters.expect("a list of clusters") {
            cluster.as_object_mut().expect("a cluster").remove("transport_socket");
        }
        self
    }

    /// Leaves out what this minor of Envoy does not know, as the examples say.
    pub fn for_envoy(mut self, minor: u32) -> Self {
        if minor < 38 {
            remove("status_on_strict_destination_not_found", &mut self.0);
        }
        self
    }

    /// Changes the filter's own configuration.
    pub fn plugin(mut self, change: impl FnOnce(&mut Value)) -> Self {
        let text =
            self.filters().iter_mut().filter(|filter| filter["typed_config"].is_object()).find_map(
                |filter| {
                    let is_native = filter["typed_config"].get("filter_config").is_some();
                    filter.pointer_mut(match is_native {
                        true => "/typed_config/filter_config/value",
                        false => "/typed_config/config/configuration/value",
                    })
                },
            );
        if let Some(text) = text {
            let mut plugin = serde_json::from_str(text.as_str().unwrap_or("null"))
                .expect("the example's plugin configuration is JSON");
            change(&mut plugin);
            *text = plugin.to_string().into();
        }
        self
    }

    /// Takes over the store of another example, and the clusters that this one does not have.
    pub fn take_store(&mut self, mut other: Bootstrap) {
        let mut store = Value::Null;
        other = other.plugin(|plugin| store = plugin["store"].take());
        *self = self.clone().plugin(|plugin| plugin["store"] = store);
        let clusters = |bootstrap: &Bootstrap| {
            let clusters = bootstrap.0["static_resources"]["clusters"].as_array().cloned();
            clusters.expect("a list of clusters")
        };
        let mut all = clusters(self);
        for cluster in clusters(&other) {
            if !all.iter().any(|known| known["name"] == cluster["name"]) {
                all.push(cluster);
            }
        }
        self.0["static_resources"]["clusters"] = all.into();
    }

    /// Takes a cluster out.
    pub fn take_cluster(&mut self, name: &str) -> Value {
        let clusters = self.0["static_resources"]["clusters"].as_array_mut();
        let clusters = clusters.expect("a list of clusters");
        let place = clusters.iter().position(|cluster| cluster["name"] == name);
        clusters.remove(place.expect("a cluster of that name"))
    }

    /// Puts a cluster in.
    pub fn add_cluster(&mut self, cluster: Value) {
        let clusters = self.0["static_resources"]["clusters"].as_array_mut();
        clusters.expect("a list of clusters").push(cluster);
    }

    /// Whether it has a cluster of this name.
    pub fn has_cluster(&self, name: &str) -> bool {
        let clusters = self.0["static_resources"]["clusters"].as_array();
        clusters.is_some_and(|clusters| clusters.iter().any(|cluster| cluster["name"] == name))
    }

    /// Changes how requests without a session are balanced.
    pub fn balanced_by(mut self, policy: &str) -> Self {
        let clusters = self.0["static_resources"]["clusters"].as_array_mut();
        for cluster in clusters.expect("a list of clusters") {
            if cluster["name"] == "myserver" {
                cluster["lb_policy"] = policy.into();
            }
        }
        self
    }

    /// Has Envoy name and choose its stats as Istio does whose proxies have `extraStatTags: [scope, ordinal]`.
    pub fn with_stats_of_istio(mut self) -> Self {
        self.0["stats_config"] = serde_json::from_str(ISTIO_STATS).expect("JSON");
        self
    }

    /// Leaves the filter out.
    pub fn without_podpin(mut self) -> Self {
        self.filters().retain(|filter| filter["name"] != "podpin");
        self
    }

    /// The HTTP filters of the one listener.
    pub fn filters(&mut self) -> &mut Vec<Value> {
        self.connection_manager()["http_filters"].as_array_mut().expect("a list of HTTP filters")
    }

    /// The connection manager of the one listener.
    pub fn connection_manager(&mut self) -> &mut Value {
        self.0.pointer_mut(CONNECTION_MANAGER).expect("an HTTP connection manager")
    }
}

/// Writes resources for Envoys that read them from `file`.
pub fn publish(resources: &[Value], file: &Path) {
    let temporary = file.with_extension("new");
    fs::write(&temporary, json!({"resources": resources}).to_string()).expect("a file");
    // Envoy watches for a file that is moved into its place.
    fs::rename(temporary, file).expect("a file");
}

/// Takes a field out, wherever it stands.
fn remove(field: &str, value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| remove(field, item)),
        Value::Object(fields) => {
            fields.remove(field);
            fields.values_mut().for_each(|value| remove(field, value));
        }
        _ => {}
    }
}

/// Calls `visit` on every value within `value`, with the key that it stands under.
fn walk(key: &str, value: &mut Value, visit: &mut impl FnMut(&str, &mut Value)) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| walk(key, item, visit)),
        Value::Object(members) => {
            members.iter_mut().for_each(|(key, member)| walk(key, member, visit));
        }
        _ => visit(key, value),
    }
}
