//! The section `session`.

use serde_json::Value;

use super::duration;
use super::section::{Section, is_visible};
use super::{HOUR, SECOND, YEAR};
use crate::identity::{BindTo, Claim};
use crate::session::Lifetime;

/// The longest path of a property, in segments, and the longest segment, in bytes.
const MAX_PATH: usize = 16;
const MAX_SEGMENT: usize = 256;

/// Headers that say nothing of who a client is, or not twice the same.
const NO_CLAIMS: [&str; 5] =
    ["authorization", "cookie", "mcp-session-id", "x-forwarded-for", "x-request-id"];

/// Attributes that are of one request, or of one connection.
const OF_THE_REQUEST: [&str; 4] = ["request", "response", "source", "upstream"];

/// What is said of sessions.
pub(super) struct Read {
    pub(super) lifetime: Lifetime,
    pub(super) bind_to: BindTo,
    /// Whether every session has to be bound to somebody.
    pub(super) require_subject: bool,
    pub(super) has_idle_timeout: bool,
}

pub(super) fn read(mut section: Section<'_>) -> Read {
    let has_idle_timeout = section.has("idle_timeout");
    let lifetime = read_lifetime(&mut section);
    let has_bind_to = section.has("bind_to");
    let entries = section.list("bind_to", read_entry);
    let require_subject = section.flag("require_subject").unwrap_or(false);
    let is_read = entries.is_some() || !has_bind_to;
    let bind_to = BindTo { entries: entries.unwrap_or_default() };
    if require_subject && bind_to.is_empty() && is_read {
        section.wrong("require_subject", "session.bind_to does not say where a subject comes from");
    }
    section.finish();
    Read { lifetime, bind_to, require_subject, has_idle_timeout }
}

/// The keys of how long something is kept, with the same defaults for all.
pub(super) fn read_lifetime(section: &mut Section<'_>) -> Lifetime {
    let has_max_age = section.has("max_age");
    let idle_timeout = section.duration("idle_timeout", SECOND, YEAR);
    let max_age = section.duration("max_age", SECOND, YEAR);
    let is_wrong = has_max_age && max_age.is_none();
    let max_age = max_age.unwrap_or(24 * HOUR);
    let idle_timeout = idle_timeout.unwrap_or(max_age.min(2 * HOUR));
    if idle_timeout > max_age && !is_wrong {
        let (idle, age) = (duration::shown(idle_timeout), duration::shown(max_age));
        let limit = section.path_of("max_age");
        section.wrong("idle_timeout", format!("{idle} is longer than {limit}, {age}"));
    }
    Lifetime { idle_timeout, max_age }
}

/// One claim, or a list of some that count together.
pub(super) fn read_entry(value: &Value) -> Result<Vec<Claim>, String> {
    match value {
        Value::Array(claims) if claims.is_empty() => Err("has no claim".to_owned()),
        Value::Array(claims) => claims.iter().map(read_claim).collect(),
        claim => Ok(vec![read_claim(claim)?]),
    }
}

fn read_claim(value: &Value) -> Result<Claim, String> {
    let fields = value.as_object().filter(|fields| fields.len() == 1);
    match fields.and_then(|fields| fields.iter().next()) {
        Some((kind, path)) if kind == "property" => read_path(path).map(Claim::Property),
        Some((kind, Value::String(name))) if kind == "header" => {
            is_header(name)?;
            Ok(Claim::Header(name.clone()))
        }
        _ => {
            Err(r#"is not {"property": ["…", …]} or {"header": "…"}, or a list of these"#
                .to_owned())
        }
    }
}

fn read_path(value: &Value) -> Result<Vec<String>, String> {
    let is_segment = |text: &&str| is_visible(text, MAX_SEGMENT).is_ok();
    let segments: Option<Vec<_>> = value.as_array().and_then(|segments| {
        let segments = segments.iter().map(|segment| segment.as_str().filter(is_segment));
        segments.map(|segment| segment.map(str::to_owned)).collect()
    });
    let path = segments.filter(|path| (1..=MAX_PATH).contains(&path.len())).ok_or_else(|| {
        format!("names no property: a path is a list of 1 to {MAX_PATH} strings of visible ASCII")
    })?;
    let path_is =
        |begin: &[&str]| path.iter().zip(begin).filter(|(a, b)| a == b).count() == begin.len();
    if OF_THE_REQUEST.iter().any(|first| path_is(&[first])) || path_is(&["connection", "id"]) {
        let path = path.join(".");
        return Err(format!(
            "names {path}, which is not the same in all of a session; for headers there is header"
        ));
    }
    Ok(path)
}

pub(super) fn is_header(name: &str) -> Result<(), String> {
    let is_token = |b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_');
    if !(1..=MAX_SEGMENT).contains(&name.len()) || !name.bytes().all(is_token) {
        return Err(format!("names no header: {name:?} is not a name of a-z, 0-9, - and _"));
    }
    match NO_CLAIMS.contains(&name) || name.starts_with("x-podpin-") || name.starts_with("x-envoy-")
    {
        true => Err(format!(
            "names the header {name}, which clients set, or which is not the same in all of a session"
        )),
        false => Ok(()),
    }
}
