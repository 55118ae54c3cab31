//! The section `store`.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::secrets::Secrets;
use super::section::{Section, is_visible};
use crate::host::Secret;
use crate::store::{Dialect, MAX_CAPACITY, MIN_CAPACITY, OnError, RedisConfig, StoreConfig};

/// The longest name of a cluster, authority or prefix, in bytes.
const MAX_NAME: usize = 256;

/// What the proxy may call a cluster.
pub(super) fn is_name(text: &str) -> Result<(), String> {
    is_visible(text, MAX_NAME)
}

/// The words for kinds of stores.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    SharedData,
    Redis,
    Sealed,
}

/// What is said of the store.
pub(super) struct Read {
    pub(super) kind: Kind,
    pub(super) config: StoreConfig,
    /// Whether its keys are named, wherever they are.
    pub(super) has_keys: bool,
}

pub(super) fn read(mut section: Section<'_>, secrets: &mut Secrets<'_>) -> Read {
    let kinds =
        [("shared_data", Kind::SharedData), ("redis", Kind::Redis), ("sealed", Kind::Sealed)];
    let kind = section.choice("kind", &kinds).unwrap_or(Kind::SharedData);
    let has_keys = section.has("keys") || section.has("keys_env");
    let mut config =
        StoreConfig { capacity: 0, capacity_key: "store.capacity", sealed: None, redis: None };
    match kind {
        Kind::Sealed => {
            let remembered = section.number("remember_ended", 0, MAX_CAPACITY);
            config.capacity = remembered.unwrap_or(0);
            if !has_keys {
                section.wrong("keys", "missing; so is keys_env");
            }
            config.sealed = secrets.keyring(&mut section);
        }
        Kind::SharedData | Kind::Redis => {
            let capacity = section.number("capacity", MIN_CAPACITY, MAX_CAPACITY);
            config.capacity = capacity.unwrap_or(65_536);
            if kind == Kind::Redis {
                config.redis = read_redis(&mut section, secrets);
            }
        }
    }
    section.finish();
    Read { kind, config, has_keys }
}

fn read_redis(section: &mut Section<'_>, secrets: &mut Secrets<'_>) -> Option<RedisConfig> {
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
        Dialect::Webdis => read_user(section, secrets),
        Dialect::Upstash => {
            let token = secrets.text(section, "token", "token_env");
            token.map(|Secret(token)| Secret(format!("Bearer {token}")))
        }
    };
    let on_error =
        section.choice("on_error", &[("fail", OnError::Fail), ("continue", OnError::Continue)]);
    let keyring = secrets.keyring(section);
    let cluster = cluster?;
    Some(RedisConfig {
        keyring,
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
fn read_user(section: &mut Section<'_>, secrets: &mut Secrets<'_>) -> Option<Secret> {
    let has_password = section.has("password") || section.has("password_env");
    let has_user = section.has("user");
    let user = section.secret("user");
    let password = secrets.text(section, "password", "password_env");
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
