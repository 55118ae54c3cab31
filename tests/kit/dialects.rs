//! A server with sessions in memory that says in any way one likes that it does not know one: as servers
//! in the field do whose SDKs leave that to the application.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use futures_util::stream::{self, StreamExt};
use http::{HeaderMap, Method, Response};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tokio::sync::broadcast;

/// The header by which a request says how it wants to be told that its session is not known. A client's
/// credentials may be so, too: what is asked on its behalf has to carry it.
pub const DIALECT: &str = "x-dialect";

/// How it can be told.
pub const DIALECTS: [&str; 7] = ["400", "401", "404", "410", "503", "200", "400-without-message"];

/// Says to everyone, whatever the session, what would be a loss if it were only said to this one.
pub const BUSY: &str = "busy";

/// Wants to know who asks, whatever the session.
pub const WHO: &str = "who";

/// Does not answer a `ping`.
pub const SILENT: &str = "silent";

/// The method of a message that is never answered.
pub const WAIT: &str = "wait";

/// The method of a message by which the answers to all [`STREAM`]s of a pod break off.
pub const BREAK: &str = "break";

/// The method of a message whose answer begins with [`BEGUN`] and does not end.
pub const STREAM: &str = "stream";

/// How such an answer begins.
pub const BEGUN: &str = ": begun\n\n";

type Sessions = Arc<Mutex<HashSet<String>>>;

/// The server of one pod.
pub(crate) fn serve() -> Router {
    let (sessions, broken) = (Sessions::default(), broadcast::Sender::new(1));
    Router::new().fallback(async move |request: Request| {
        let (head, body) = request.into_parts();
        let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
        let message: Value = serde_json::from_slice(&body).unwrap_or_default();
        if message["method"] == "ping" && head.headers.get(DIALECT).is_some_and(|it| it == SILENT) {
            std::future::pending::<()>().await;
        }
        match message["method"].as_str().unwrap_or_default() {
            WAIT => return std::future::pending().await,
            STREAM => return unfinished(broken.subscribe()),
            // There may be none.
            BREAK => drop(broken.send(())),
            _ => {}
        }
        respond(&sessions, &head.method, &head.headers, &message).map(Body::from)
    })
}

/// An event stream that begins, and breaks off when it is told to.
fn unfinished(mut broken: broadcast::Receiver<()>) -> Response<Body> {
    let begun = stream::once(async { Ok(Bytes::from_static(BEGUN.as_bytes())) });
    let end = stream::once(async move {
        // Nobody is left to tell it once the pod ends, and then that ends it.
        let _ = broken.recv().await;
        Err(std::io::Error::other("broken off"))
    });
    let body = Body::from_stream(begun.chain(end));
    Response::builder().header("content-type", "text/event-stream").body(body).expect("a response")
}

fn respond(
    sessions: &Sessions,
    method: &Method,
    headers: &HeaderMap,
    message: &Value,
) -> Response<String> {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    let dialect = text(DIALECT).unwrap_or("400");
    match dialect {
        BUSY => return answer(503, "text/plain", "too busy"),
        WHO => {
            let mut response = answer(401, "text/plain", "who are you?");
            let challenge = "Bearer resource_metadata=\"https://mcp.example/who\"";
            response.headers_mut().insert("www-authenticate", challenge.parse().unwrap());
            return response;
        }
        _ => {}
    }
    let id = text("mcp-session-id");
    if message["method"] == "initialize" && id.is_none() {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let id = format!("spoken-{}", NEXT.fetch_add(1, Ordering::Relaxed));
        sessions.lock().unwrap().insert(id.clone());
        let mut response = result(json!({"serverInfo": {"name": "dialects", "version": "0"}}));
        response.headers_mut().insert("mcp-session-id", id.parse().unwrap());
        return response;
    }
    let Some(id) = id else {
        return error(400, -32000, "Bad Request: Mcp-Session-Id header is required");
    };
    if !sessions.lock().unwrap().contains(id) {
        return unknown(dialect);
    }
    match (method.as_str(), message["method"].as_str()) {
        ("DELETE", _) => {
            sessions.lock().unwrap().remove(id);
            answer(200, "text/plain", "")
        }
        ("GET", _) => answer(405, "text/plain", "no streams here"),
        (_, Some("bad")) => error(400, -32602, "Bad Request: no such thing"),
        (_, Some(_)) => result(json!({})),
        (_, None) => error(400, -32700, "Parse error"),
    }
}

/// That it does not know the session.
fn unknown(dialect: &str) -> Response<String> {
    match dialect {
        "401" => answer(401, "text/plain", "Unauthorized: no session"),
        "404" => error(404, -32600, "Session not found"),
        "410" => answer(410, "text/html", "<h1>Gone</h1>"),
        "503" => answer(503, "text/plain", "session is not on this server"),
        "200" => error(200, -32000, "No valid session ID provided"),
        "400-without-message" => answer(400, "text/plain", ""),
        _ => error(400, -32000, "Bad Request: No valid session ID provided"),
    }
}

fn result(result: Value) -> Response<String> {
    let message = json!({"jsonrpc": "2.0", "id": 0, "result": result});
    answer(200, "application/json", &message.to_string())
}

fn error(status: u16, code: i64, message: &str) -> Response<String> {
    let error = json!({"code": code, "message": message});
    let message = json!({"jsonrpc": "2.0", "id": null, "error": error});
    answer(status, "application/json", &message.to_string())
}

fn answer(status: u16, content_type: &str, body: &str) -> Response<String> {
    let response = Response::builder().status(status).header("content-type", content_type);
    response.body(body.to_owned()).expect("a response")
}
