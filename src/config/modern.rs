//! The section `modern`: requests of MCP 2026-07-28 and later, which have no sessions.

use serde_json::Value;

use super::section::Section;
use super::session::{is_header, read_entry, read_lifetime};
use super::steer::Mode;
use crate::modern::{Affinity, NAME, Rule};
use crate::store::{MAX_CAPACITY, MIN_CAPACITY, StoreConfig};

/// What a rule can be.
const KINDS: [&str; 3] = ["key", "pod_in", "task"];

/// What is said of them.
pub(super) struct Read {
    /// Whether they are refused.
    pub(super) refuses: bool,
    pub(super) affinity: Affinity,
    pub(super) without_effect: Vec<String>,
}

/// Reads it, where requests are steered by `mode` and sessions are kept in `store`.
pub(super) fn read(mut section: Section<'_>, mode: Option<&Mode>, store: &StoreConfig) -> Read {
    let refuses = section.choice("era", &[("pass", false), ("refuse", true)]).unwrap_or(false);
    let has_affinity = section.has("affinity");
    let rules = read_rules(&mut section, mode, store);
    let is_kept = rules.iter().any(Rule::is_kept);
    let keys = ["capacity", "idle_timeout", "max_age"];
    let idle = keys.iter().filter(|key| section.has(key) && !is_kept);
    let mut without_effect: Vec<_> = idle.map(|key| format!("modern.{key}")).collect();
    without_effect.extend((refuses && has_affinity).then(|| "modern.affinity".to_owned()));
    let capacity = section.number("capacity", MIN_CAPACITY, MAX_CAPACITY).unwrap_or(65_536);
    let lifetime = read_lifetime(&mut section);
    section.finish();
    let kept = StoreConfig { capacity, capacity_key: "modern.capacity", ..store.clone() };
    let store = is_kept.then_some((kept, lifetime));
    Read { refuses, affinity: Affinity { rules, store }, without_effect }
}

fn read_rules(section: &mut Section<'_>, mode: Option<&Mode>, store: &StoreConfig) -> Vec<Rule> {
    let items = match section.take("affinity") {
        None => return Vec::new(),
        Some(Value::Array(items)) => items,
        Some(_) => {
            section.wrong("affinity", "is not a list of rules");
            return Vec::new();
        }
    };
    let items = items.into_iter().enumerate();
    items
        .filter_map(|(i, item)| read_rule(section.item("affinity", i, item), mode, store))
        .collect()
}

fn read_rule(mut rule: Section<'_>, mode: Option<&Mode>, store: &StoreConfig) -> Option<Rule> {
    let kinds = KINDS.iter().filter(|kind| rule.has(kind)).count();
    if kinds != 1 {
        let path = rule.path_of("key");
        rule.mistakes.add(path.trim_end_matches(".key"), "is not one of key, pod_in, task");
    }
    let by_address = mode.filter(|mode| !mode.is_by_name()).map(Mode::name);
    let is_sealed = store.sealed.is_some();
    let read = match (rule.has("pod_in"), rule.has("task")) {
        (true, _) => read_pod_in(&mut rule, by_address),
        (false, true) => read_task(&mut rule, is_sealed),
        (false, false) => read_key(&mut rule, by_address, is_sealed),
    };
    rule.knows(&KINDS);
    rule.finish();
    read.filter(|_| kinds == 1)
}

fn read_key(rule: &mut Section<'_>, by_address: Option<&str>, is_sealed: bool) -> Option<Rule> {
    let is_remembered = rule.flag("remember").unwrap_or(false);
    match by_address {
        Some(_) if is_sealed => rule.wrong(
            "key",
            "has to be remembered where Envoy picks the pods, which store.kind sealed cannot; take \
             shared_data or redis",
        ),
        Some(mode) if !is_remembered => {
            let wrong =
                format!("has to be true: steer {mode} has Envoy pick the first pod of a key");
            rule.wrong("remember", wrong);
        }
        None if is_remembered && is_sealed => rule.wrong(
            "remember",
            "does not go with store.kind sealed, which keeps nothing; take shared_data or redis",
        ),
        _ => {}
    }
    let claims = match read_entry(&rule.take("key")?) {
        Ok(claims) => claims,
        Err(wrong) => {
            rule.wrong("key", wrong);
            return None;
        }
    };
    Some(Rule::Key { claims, is_remembered })
}

fn read_task(rule: &mut Section<'_>, is_sealed: bool) -> Option<Rule> {
    if is_sealed {
        let wrong =
            "does not go with store.kind sealed, which keeps nothing; take shared_data or redis";
        rule.wrong("task", wrong);
    }
    let mut section = rule.section("task");
    let id_header = section.text("id_header", is_header);
    section.finish();
    Some(Rule::Task { id_header: id_header.unwrap_or_else(|| NAME.to_owned()) })
}

fn read_pod_in(rule: &mut Section<'_>, by_address: Option<&str>) -> Option<Rule> {
    if let Some(mode) = by_address {
        let cure = "take authority or dynamic_host";
        rule.wrong("pod_in", format!("steer {mode} knows no pod by its name; {cure}"));
    }
    let mut section = rule.section("pod_in");
    section.require(&["header"]);
    let header = section.text("header", is_header);
    section.finish();
    header.map(Rule::PodIn)
}
