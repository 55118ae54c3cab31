//! Three pods that answer as fast as they can, so that the load waits for the proxy and not for them.
//!
//! They accept any session and repeat its id, as most SDKs do; `x-pod` says who answered, by which a
//! client sees whether it is where it opened its session. A real server would answer 404 elsewhere.

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use anyhow::{Context, Result};
use kit::dns::pod_ip;

use crate::load::message::Messages;

pub(crate) const PODS: usize = 3;

/// By this request header a client says how large an answer it wants: bytes, or [`EVENTS`].
pub(crate) const ANSWER: &str = "x-answer";

/// A stream of server-sent events, each written by itself.
pub(crate) const EVENTS: &str = "events";

const EVENT_COUNT: usize = 200;
const EVENT: &[u8] = &[b'e'; 192];

/// The start of the answer that is as large as is wanted.
static LARGE: LazyLock<Vec<u8>> = LazyLock::new(|| vec![b'x'; 1 << 20]);

const SMALL: &[u8] =
    br#"{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"1"}]}}"#;

/// Starts them on one free port, which it tells. They end with this process.
pub(crate) fn start() -> Result<u16> {
    let port = kit::pods::free_port(PODS)?;
    for ordinal in 0..PODS {
        let listener = TcpListener::bind((pod_ip(ordinal), port)).context("a pod's port")?;
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // An error is the end of a connection.
                thread::spawn(move || serve(stream, ordinal));
            }
        });
    }
    Ok(port)
}

/// One connection, with a request at a time.
fn serve(stream: TcpStream, ordinal: usize) -> Result<()> {
    let mut messages = Messages::on(stream)?;
    let mut bytes = Vec::new();
    while messages.next()? {
        bytes.clear();
        write!(bytes, "HTTP/1.1 200 OK\r\nx-pod: {ordinal}\r\n")?;
        let named = messages.header("mcp-session-id");
        if let Some(id) = named {
            bytes.extend([b"mcp-session-id: ", id, b"\r\n"].concat());
        } else if opens_session(messages.body()) {
            write!(bytes, "mcp-session-id: {}\r\n", next_session())?;
        }
        let wanted = messages.header(ANSWER).map(str::from_utf8).transpose()?;
        if wanted == Some(EVENTS) {
            bytes.extend(b"content-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n");
            messages.send(&bytes)?;
            stream_events(&mut messages)?;
            continue;
        }
        let body = match wanted {
            Some(size) => LARGE.get(..size.parse()?).context("too large an answer")?,
            None => SMALL,
        };
        write!(bytes, "content-type: application/json\r\ncontent-length: {}\r\n\r\n", body.len())?;
        bytes.extend(body);
        messages.send(&bytes)?;
    }
    Ok(())
}

fn stream_events(messages: &mut Messages) -> Result<()> {
    let event = [b"data: ", EVENT, b"\n\n"].concat();
    let chunk = [format!("{:x}\r\n", event.len()).as_bytes(), &event, b"\r\n"].concat();
    for _ in 0..EVENT_COUNT {
        messages.send(&chunk)?;
    }
    messages.send(b"0\r\n\r\n")
}

/// Whether a body is a short one that opens a session.
fn opens_session(body: &[u8]) -> bool {
    let method: &[u8] = br#""method":"initialize""#;
    body.len() < 1024 && body.windows(method.len()).any(|window| window == method)
}

fn next_session() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("8d3cb1f6-6e40-4d3c-9f2b-{number:012x}")
}
