//! A server of HTTP+SSE with sessions in memory, in the manner of MCP's Python SDK: lines that end in CR
//! LF, and a relative URI.

use std::collections::HashSet;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use http::Response;
use http_body::Frame;

type Sessions = Arc<Mutex<HashSet<String>>>;

/// The server of one pod.
pub(crate) fn serve() -> Router {
    let sessions = Sessions::default();
    Router::new().fallback(async move |request: Request| {
        let named = request.uri().query().and_then(|query| query.strip_prefix("session_id="));
        match (request.method().as_str(), request.uri().path(), named) {
            ("GET", "/sse", None) => stream(&sessions),
            ("POST", "/messages/", Some(id)) if sessions.lock().unwrap().contains(id) => {
                said(202, "Accepted")
            }
            ("POST", "/messages/", Some(_)) => said(404, "Could not find session"),
            _ => said(400, "session_id is required"),
        }
    })
}

fn stream(sessions: &Sessions) -> Response<Body> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let id = format!("{:032x}", NEXT.fetch_add(1, Ordering::Relaxed));
    sessions.lock().unwrap().insert(id.clone());
    let event = format!("event: endpoint\r\ndata: /messages/?session_id={id}\r\n\r\n");
    let stream = Stream { event: Some(event.into()), id, sessions: sessions.clone() };
    let response = Response::builder().status(200).header("content-type", "text/event-stream");
    response.body(Body::new(stream)).expect("a response")
}

/// One event, and then nothing until the client is gone, and the session with it.
struct Stream {
    event: Option<Bytes>,
    id: String,
    sessions: Sessions,
}

impl HttpBody for Stream {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.event.take() {
            Some(event) => Poll::Ready(Some(Ok(Frame::data(event)))),
            None => Poll::Pending,
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.sessions.lock().unwrap().remove(&self.id);
    }
}

fn said(status: u16, text: &'static str) -> Response<Body> {
    Response::builder().status(status).body(text.into()).expect("a response")
}
