//! The section `placement`.

use std::time::Duration;

use serde_json::Value;

use super::section::{Section, whole};
use super::steer::Mode;
use crate::pods::{Ordinal, Placement, Spread, StatefulSet};

/// How long a pod that cannot be reached gets no new sessions, where nothing is said.
const EJECT: Duration = Duration::from_secs(10);

const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(300);

/// What is said of placement.
#[derive(Debug)]
pub(super) struct Read {
    /// Which pods get new sessions, if that is for Podpin to say and nothing is wrong with it.
    pub(super) pods: Option<Placement>,
    /// How long a pod that cannot be reached gets none.
    pub(super) eject: Duration,
}

/// Where Podpin picks the pods of new sessions.
pub(super) fn read(mut section: Section<'_>, workload: Option<&StatefulSet>) -> Read {
    let spread = read_policy(&mut section);
    let is_ordinal = |item: &Value| match (whole(item), workload) {
        (Some(ordinal), Some(workload)) if !workload.ordinals().contains(&ordinal) => {
            Err(format!("is outside the {} replicas of {workload}", workload.replicas))
        }
        (Some(ordinal), _) => Ok(Ordinal(ordinal)),
        (None, _) => Err("is not an ordinal".to_owned()),
    };
    let drain = section.list("drain", is_ordinal).unwrap_or_default();
    let pods = workload.map(|workload| Placement::on(workload.ordinals(), &drain, spread));
    if pods == Some(None) {
        section.wrong("drain", "leaves no pod to place a new session on");
    }
    let eject = section.duration("eject", SHORTEST, LONGEST).unwrap_or(EJECT);
    section.finish();
    Read { pods: pods.flatten(), eject }
}

/// Where the proxy picks them.
pub(super) fn check(
    mut section: Section<'_>,
    mode: &Mode,
    without_effect: &mut Vec<String>,
) -> Read {
    for key in ["policy", "eject"] {
        without_effect.extend(section.has(key).then(|| format!("placement.{key}")));
    }
    read_policy(&mut section);
    let is_ordinal = |item: &Value| whole(item).ok_or("is not an ordinal");
    if section.list("drain", is_ordinal).is_some_and(|drain| !drain.is_empty()) {
        let mode = mode.name();
        section.wrong(
            "drain",
            format_args!("steer {mode} leaves that to Envoy: drain endpoints there"),
        );
    }
    section.duration("eject", SHORTEST, LONGEST);
    section.finish();
    Read { pods: None, eject: EJECT }
}

fn read_policy(section: &mut Section<'_>) -> Spread {
    let words = [("random", Spread::Random), ("least_sessions", Spread::LeastSessions)];
    section.choice("policy", &words).unwrap_or_default()
}
