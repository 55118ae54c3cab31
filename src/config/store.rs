//! The section `store`.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::section::{Section, is_visible};
use crate::host::Secret;
use crate::store::{Dialect, MAX_CAPACITY, MIN_CAPACITY, OnError, RedisConfig, StoreConfig};

/// The longest name of a cluster, authority or prefix, in bytes.
const MAX_NAME: usize = 256;

/// What the proxy may call a cluster.
pub(super) fn is_name(text: &str) -> Result<(), String> {
    is_visible(text, MAX_NAME)
}

pub(super) fn read(mut section: Section<'_>) -> StoreConfig {
    let is_redis = section.choice("kind", &[("shared_data", false), ("redis", true)]);
    let capacity = section.number("capacity", MIN_CAPACITY, MAX_CAPACITY);
    let redis = is_redis.unwrap_or(false).then(|| read_redis(&mut section)).flatten();
    section.finish();
    StoreConfig { capacity: capacity.unwrap_or(65_536), redis }
}

fn read_redis(section: &mut Section<'_>) -> Option<RedisConfig> {
    section.require(&["cluster"]);
    let cluster = section.text("cluster", is_name);
    let authority = section.text("authority", is_name);
    let (least, most) = (Duration::from_millis(1), Duration::from_secs(60));
    let timeout = section.duration("timeout", least, most);
    let key_prefix = section.text("key_prefix", is_name);
    let dialect = section
        .choice("dialect", &[("webdis", Dialect::Webdis), ("upstash", Dialect::Upstash)])
        .unwrap_or(Dialect::Webdis);
    let authorization = match dialect {
        Dialect::Webdis => read_user(section),
        Dialect::Upstash => {
            section.secret("token").map(|Secret(token)| Secret(format!("Bearer {token}")))
        }
    };
    let on_error =
        section.choice("on_error", &[("fail", OnError::Fail), ("continue", OnError::Continue)]);
    let cluster = cluster?;
    Some(RedisConfig {
        authority: authority.unwrap_or_else(|| cluster.clone()),
        cluster,
        timeout: timeout.unwrap_or(Duration::from_millis(250)),
        key_prefix: key_prefix.unwrap_or_else(|| "podpin:".to_owned()),
        dialect,
        authorization,
        on_error: on_error.unwrap_or(OnError::Fail),
    })
}

/// HTTP basic authentication (RFC 7617), as webdis' ACLs want it.
fn read_user(section: &mut Section<'_>) -> Option<Secret> {
    let (has_user, has_password) = (section.has("user"), section.has("password"));
    let (user, password) = (section.secret("user"), section.secret("password"));
    match (has_user, has_password) {
        (true, false) => section.wrong("password", "missing"),
        (false, true) => section.wrong("user", "missing"),
        _ => {}
    }
    if user.as_ref().is_some_and(|Secret(user)| user.contains(':')) {
        section.wrong("user", "has a colon");
    }
    let (Secret(user), Secret(password)) = (user?, password?);
    Some(Secret(format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))))
}
