//! What lies in `istio/observability/`: queries of the dashboard, alerts, and settings of proxies.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use crate::root;

/// One of its files.
pub fn path(file: &str) -> PathBuf {
    root().join("istio/observability").join(file)
}

fn read(file: &str) -> String {
    fs::read_to_string(path(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// One of its files of YAML, or JSON, which is YAML.
pub fn yaml(file: &str) -> Value {
    serde_yaml_ng::from_str(&read(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// A rule that alerts.
#[derive(Clone, Debug)]
pub struct Alert {
    pub name: String,
    pub expr: String,
}

/// All alerts.
pub fn alerts() -> Vec<Alert> {
    let groups = yaml("alerts.yaml")["groups"].as_array().cloned().expect("groups");
    let rules = groups.iter().flat_map(|group| group["rules"].as_array().expect("rules"));
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    rules.map(|rule| Alert { name: text(&rule["alert"]), expr: text(&rule["expr"]) }).collect()
}

/// The panels of the dashboard that show something, in order.
pub fn panels() -> Vec<Value> {
    let panels = yaml("dashboard.json")["panels"].as_array().cloned().expect("panels");
    panels.into_iter().filter(|panel| panel["type"] != "row").collect()
}

/// The queries of a panel.
pub fn queries(panel: &Value) -> Vec<String> {
    let targets = panel["targets"].as_array().expect("targets");
    targets.iter().map(|target| target["expr"].as_str().expect("a query").to_owned()).collect()
}

/// What the README has the proxies of Istio be told, by an annotation.
pub fn proxy_config() -> Value {
    let readme = read("README.md");
    let snippet = readme.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next());
    let pod: Value = serde_yaml_ng::from_str(snippet.expect("a snippet")).expect("YAML");
    let config = &pod["metadata"]["annotations"]["proxy.istio.io/config"];
    serde_yaml_ng::from_str(config.as_str().expect("text")).expect("YAML")
}
