//! Dashboard, alerts and README of `istio/observability/` go together. That queries find something and
//! alerts fire is for a real Prometheus to show, in `tests/envoy`.

use std::collections::BTreeSet;

use kit::observability::{alerts, panels, path, queries, yaml};
use kit::prometheus::promtool;
use kit::root;
use podpin::telemetry::{Gauge, Metric};
use serde_json::{Value, json};

use super::{column, read};

#[test]
fn the_rules_of_the_operator_are_those_of_prometheus() {
    let rule = yaml("prometheus-rule.yaml");
    assert_eq!(rule["spec"], yaml("alerts.yaml"));
    assert_eq!(rule["apiVersion"], "monitoring.coreos.com/v1");
    assert_eq!(rule["kind"], "PrometheusRule");
}

#[test]
fn alerts_fire_for_as_long_as_something_is_wrong() {
    let tests = root().join("tests/fixtures/alerts-test.yaml");
    for (command, file) in [("check", path("alerts.yaml")), ("test", tests.clone())] {
        let output = promtool(&[command, "rules"], &file).expect("promtool runs");
        let told = [output.stdout, output.stderr].concat();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&told));
    }
    let tests = std::fs::read_to_string(tests).expect("tests of the rules");
    for alert in alerts() {
        assert!(tests.contains(&format!("\"{}\"", alert.name)), "{} has no test", alert.name);
    }
}

#[test]
fn every_alert_says_what_is_wrong_what_to_do_and_how_bad_it_is() {
    let rules = yaml("alerts.yaml")["groups"][0]["rules"].clone();
    for rule in rules.as_array().expect("rules") {
        let severity = &rule["labels"]["severity"];
        assert!([json!("critical"), json!("warning")].contains(severity), "{rule}");
        let text = |name: &str| rule["annotations"][name].as_str().unwrap_or_default().to_owned();
        assert!(text("summary").ends_with('.'), "{rule}");
        assert!(text("description").contains("heck "), "{rule}");
    }
    let readme = read("istio/observability/README.md");
    let names: Vec<_> = alerts().into_iter().map(|alert| alert.name).collect();
    let linked = names
        .iter()
        .map(|name| format!("[`{name}`](../../docs/operations.md#{})", name.to_lowercase()));
    assert_eq!(column(&readme, "alert", 0), linked.collect::<Vec<_>>());
}

/// For each alert in order: how bad it is, and numbered steps.
#[test]
fn the_page_on_operations_says_what_to_do_about_every_alert() {
    let page = read("docs/operations.md");
    let sections: Vec<_> = page.split("\n### ").skip(1).collect();
    let rules = yaml("alerts.yaml")["groups"][0]["rules"].clone();
    let rules = rules.as_array().expect("rules");
    assert_eq!(sections.len(), rules.len());
    for (section, rule) in sections.iter().zip(rules) {
        let [name, severity] =
            [&rule["alert"], &rule["labels"]["severity"]].map(|text| text.as_str().expect("text"));
        assert!(section.starts_with(&format!("{name}\n\n*{severity}.* ")), "{section}");
        assert!(section.contains("\n1. "), "{name}");
    }
}

#[test]
fn the_dashboard_shows_every_metric() {
    let shown: String = panels().iter().flat_map(queries).collect();
    let mut gauges = Gauge::ALL.map(|gauge| gauge.name().to_owned()).to_vec();
    gauges.push("podpin_sessions".to_owned());
    for metric in Metric::all().map(Metric::name).chain(gauges) {
        assert!(shown.contains(&format!("{metric}{{scope=~\"$scope\"}}")), "{metric}");
    }
}

#[test]
fn every_panel_says_what_it_shows_and_lies_beside_the_others() {
    let source = json!({"type": "prometheus", "uid": "${datasource}"});
    let dashboard = yaml("dashboard.json");
    let all = dashboard["panels"].as_array().expect("panels");
    let ids: BTreeSet<_> = all.iter().map(|panel| panel["id"].as_u64().expect("an id")).collect();
    assert_eq!(ids.len(), all.len());
    for panel in panels() {
        let description = panel["description"].as_str().unwrap_or_default();
        assert!(description.ends_with('.'), "{}", panel["title"]);
        assert_eq!(panel["datasource"], source);
        for target in panel["targets"].as_array().expect("targets") {
            assert_eq!(target["datasource"], source);
        }
    }
    let mut cells = BTreeSet::new();
    for panel in all {
        let [x, y, width, height] =
            ["x", "y", "w", "h"].map(|key| panel["gridPos"][key].as_u64().expect("a place"));
        assert!(x + width <= 24, "{}", panel["title"]);
        for cell in (x..x + width).flat_map(|x| (y..y + height).map(move |y| (x, y))) {
            assert!(cells.insert(cell), "{} covers another", panel["title"]);
        }
    }
    let variables = dashboard["templating"]["list"].as_array().expect("variables");
    let names: Vec<&Value> = variables.iter().map(|variable| &variable["name"]).collect();
    assert_eq!(names, ["datasource", "scope"]);
    assert_eq!(variables[1]["query"]["query"], "label_values(podpin_version, scope)");
}
