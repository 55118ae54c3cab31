//! What runs in a pod: servers of all kinds side by side. Each response says which start of which pod it is
//! from.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use http_body_util::BodyExt;
use kit::dialects::DIALECT;
use kit::pods::App;
use serde_json::json;
use tower::ServiceExt;

/// The header with the pod's ordinal and the number of its start.
pub(crate) const MARK: &str = "x-pod";

/// The protocol version that has no sessions.
pub(crate) const LATER: &str = "2026-07-28";

pub(crate) fn serve(ordinal: usize) -> Router {
    static STARTS: AtomicU64 = AtomicU64::new(0);
    let mark = format!("{ordinal}/{}", STARTS.fetch_add(1, Ordering::Relaxed));
    let [sdk, dialects, sse] =
        [App::Stateful, App::Dialects, App::Sse].map(|app| app.serve(ordinal));
    Router::new().fallback(async move |request: Request| {
        let is_later = request.headers().get("mcp-protocol-version").is_some_and(|it| it == LATER);
        let app = match request.uri().path() {
            "/mcp" if is_later => None,
            "/mcp" if request.headers().contains_key(DIALECT) => Some(dialects),
            "/mcp" => Some(sdk),
            "/sse" | "/messages/" => Some(sse),
            _ => None,
        };
        let mut response = match app {
            Some(app) => app.oneshot(request).await.expect("a router answers"),
            None => tell(request).await,
        };
        response.headers_mut().insert(MARK, mark.parse().expect("a header value"));
        response
    })
}

/// Tells what it was asked.
async fn tell(request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let headers = head.headers.iter();
    let headers: Vec<_> =
        headers.map(|(name, value)| (name.as_str(), value.to_str().unwrap_or_default())).collect();
    let told = json!({
        "method": head.method.as_str(), "target": head.uri.to_string(), "headers": headers,
        "body": digest(&body),
    });
    Response::new(Body::from(told.to_string()))
}

/// What tells one body from another.
pub(crate) fn digest(body: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    body.hash(&mut hasher);
    hasher.finish()
}
