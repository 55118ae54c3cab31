//! The plugin's configuration: JSON in, a [`Config`] out that can only be right.
//!
//! All mistakes are reported at once, each with its key and value. Nothing is ever ignored: a key
//! that is not known, or that occurs twice, is a mistake.

mod duration;
mod json;
mod modern;
mod placement;
mod secrets;
mod section;
mod session;
mod steer;
mod store;
mod workload;

use std::time::Duration;

use serde_json::Value;

use crate::exchange::{OnUnreachable, Policy, Served};
use crate::http::Paths;
use crate::identity::BindTo;
use crate::modern::Affinity;
use crate::pods::Spread;
use crate::session::{Lifetime, Scope};
use crate::steer::{Encoding, EndpointHeader, Pods, Steering};
use crate::store::StoreConfig;
use crate::watch::WatchConfig;

use self::secrets::Secrets;
pub use self::secrets::Variable;
use self::steer::Mode;
use self::store::Kind;
pub use section::Mistakes;
use section::Section;

/// The longest `scope`, in bytes.
const MAX_SCOPE: usize = 256;

/// Why steering to addresses does not go with pins that others can write.
const UNSAFE_PAIR: &str = "redis does not go with steer original_dst unless store.keys sign its records: \
                           whoever can write to the Redis could send requests to any address of \
                           workload.addresses";

/// What does not go with pins that lie in session ids.
const NO_SSE: &str = "does not go with store.kind sealed: the session id of HTTP+SSE is in a body";
const NO_COUNT: &str =
    "least_sessions does not go with store.kind sealed, where nobody counts sessions";

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);
const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);

/// How one workload is served.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where the workload serves MCP.
    pub served: Served,
    /// How the proxy is told which pod to use.
    pub steering: Steering,
    /// Where pins are kept.
    pub store: StoreConfig,
    /// How long a session is kept.
    pub lifetime: Lifetime,
    /// What keeps requests together that have no sessions.
    pub affinity: Affinity,
    /// Where it comes from who a session belongs to.
    pub bind_to: BindTo,
    /// Whether every session has to belong to somebody.
    pub require_subject: bool,
    /// What the operator has left to decide about exchanges.
    pub policy: Policy,
    /// How pods are watched.
    pub watch: WatchConfig,
    /// Keys that were given and are checked, but that nothing acts on: in this mode of steering, or
    /// yet.
    pub without_effect: Vec<String>,
    /// Keys that have a secret, which whoever sees the configuration sees.
    pub plain_secrets: Vec<String>,
}

impl Config {
    /// Reads a configuration, or says all that is wrong with it. `variable` knows the environment.
    pub fn parse(bytes: &[u8], variable: &dyn Fn(&str) -> Variable) -> Result<Self, Mistakes> {
        let mut mistakes = Mistakes::default();
        let config = match json::parse(bytes) {
            Ok(value) => read(value, Secrets::new(variable), &mut mistakes),
            Err(error) => {
                mistakes.add("configuration", error);
                None
            }
        };
        match config.filter(|_| mistakes.is_empty()) {
            Some(config) => Ok(config),
            None => Err(mistakes),
        }
    }
}

fn read(value: Value, mut secrets: Secrets<'_>, mistakes: &mut Mistakes) -> Option<Config> {
    let mut root = Section::new("", value, mistakes);
    let mode = steer::read(&mut root);
    if !matches!(mode, None | Some(Mode::Endpoint(_))) {
        root.require(&["workload"]);
    }
    let workload = workload::read(root.section("workload"), mode.as_ref());
    let mut without_effect = workload.without_effect;
    let store = store::read(root.section("store"), &mut secrets);
    let is_sealed = store.kind == Kind::Sealed;
    if mode == Some(Mode::OriginalDst) && store.kind == Kind::Redis && !store.has_keys {
        root.wrong("store.kind", UNSAFE_PAIR);
    }
    let session = session::read(root.section("session"));
    let mut lifetime = session.lifetime;
    if is_sealed {
        without_effect.extend(session.has_idle_timeout.then(|| "session.idle_timeout".to_owned()));
        lifetime.idle_timeout = lifetime.max_age;
    }
    let placement = root.section("placement");
    let placement = match &mode {
        Some(mode) if !mode.is_by_name() => placement::check(placement, mode, &mut without_effect),
        _ => placement::read(placement, workload.set.as_ref()),
    };
    let (eject, placement) = (placement.eject, placement.pods);
    if is_sealed && placement.as_ref().is_some_and(|on| on.spread() == Spread::LeastSessions) {
        root.wrong("placement.policy", NO_COUNT);
    }
    let (timeout, cluster) = read_probe(&mut root, mode.as_ref(), &mut without_effect);
    let has_scope = root.has("scope");
    let scope = root.text("scope", is_scope).or(workload.scope);
    if scope.is_none() && !has_scope && mode.as_ref().is_some_and(|mode| !mode.is_by_name()) {
        root.wrong("scope", "missing: without a StatefulSet nothing else names the workload");
    }
    // Some servers redirect one to the other.
    let paths = read_paths(&mut root, "paths", &["/mcp", "/mcp/"]);
    let no_sse = root.is_empty_list("sse_paths") || !root.has("sse_paths");
    if is_sealed && !no_sse {
        root.wrong("sse_paths", NO_SSE);
    }
    let sse_paths: &[_] = match is_sealed {
        true => &[],
        false => &["/sse", "/message", "/messages", "/messages/"],
    };
    let sse_paths = read_paths(&mut root, "sse_paths", sse_paths);
    let on_unreachable = root.choice(
        "on_unreachable",
        &[("not_found", OnUnreachable::NotFound), ("unavailable", OnUnreachable::Unavailable)],
    );
    let modern = modern::read(root.section("modern"), mode.as_ref(), &store.config);
    without_effect.extend(modern.without_effect);
    root.finish();

    let is_bound = !session.bind_to.is_empty();
    // A value that was wrong is a mistake already, so a default in its place does no harm.
    let pods = workload.set.zip(placement).map(|(set, placement)| Pods { set, placement });
    let mut scope = Scope::new(scope?);
    if mode == Some(Mode::OriginalDst) {
        // Those of `endpoint` may have come from a Redis.
        scope = scope.apart("original_dst");
    }
    Some(Config {
        served: Served {
            sse_scope: scope.apart("sse"),
            scope,
            paths,
            sse_paths,
            is_sealed,
            is_bound,
            refuses_modern: modern.refuses,
        },
        steering: match mode? {
            Mode::Authority => Steering::Authority(pods?),
            Mode::DynamicHost => Steering::DynamicHost(pods?),
            Mode::Endpoint(header) => Steering::Endpoint { header, within: workload.addresses },
            Mode::OriginalDst => Steering::OriginalDst(workload.addresses?),
        },
        store: store.config,
        lifetime,
        affinity: modern.affinity,
        bind_to: session.bind_to,
        require_subject: session.require_subject,
        watch: WatchConfig { eject, timeout, cluster },
        policy: Policy { on_unreachable: on_unreachable.unwrap_or(OnUnreachable::NotFound) },
        without_effect,
        plain_secrets: secrets.plain(),
    })
}

/// How a pod is asked whether it knows a session.
fn read_probe(
    root: &mut Section<'_>,
    mode: Option<&Mode>,
    without_effect: &mut Vec<String>,
) -> (Duration, Option<String>) {
    let mut section = root.section("probe");
    // Elsewhere the pods' own cluster takes a request to one of them.
    let base64 = Encoding::Base64;
    let needs_cluster = match mode {
        Some(Mode::DynamicHost) | None => true,
        Some(Mode::Endpoint(EndpointHeader { encoding, .. })) => *encoding == base64,
        Some(Mode::Authority | Mode::OriginalDst) => false,
    };
    if section.has("cluster") && !needs_cluster {
        without_effect.push("probe.cluster".to_owned());
    }
    let timeout = section.duration("timeout", Duration::from_millis(10), 10 * SECOND);
    let cluster = section.text("cluster", store::is_name);
    section.finish();
    (timeout.unwrap_or(SECOND), cluster)
}

fn read_paths(root: &mut Section<'_>, key: &'static str, otherwise: &[&str]) -> Paths {
    let is_path = |item: &Value| match item.as_str() {
        Some(path) if is_path(path) => Ok(path.to_owned()),
        _ => Err("is not a path such as /mcp or /v1/*"),
    };
    let is_empty = root.is_empty_list(key);
    let paths = root.list(key, is_path);
    if is_empty && key == "paths" {
        root.wrong(key, "is empty");
    }
    paths.map_or_else(|| Paths::new(otherwise), Paths::new)
}

/// A path begins with a slash and has no query; a `*` may stand at its end.
fn is_path(path: &str) -> bool {
    let body = path.strip_suffix('*').unwrap_or(path);
    body.starts_with('/') && body.bytes().all(|b| b.is_ascii_graphic() && !b"?#*".contains(&b))
}

fn is_scope(scope: &str) -> Result<(), String> {
    section::is_visible(scope, MAX_SCOPE)
}

#[cfg(test)]
mod tests;
