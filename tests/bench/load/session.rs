//! Sessions that clients hold, and how they name them.

use std::io::Write;

use anyhow::{Context, Result};
use kit::client::Ask;
use kit::dns::pod_name;

use super::message::Messages;

/// What a client does about where its session is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Client {
    /// Nothing, as MCP clients do.
    Plain,
    /// Sends the pod's name as `Host`; the pods are on this port.
    NamesPod(u16),
    /// Returns a header that came with the response to `initialize`.
    Returns(&'static str),
}

#[derive(Debug)]
pub(crate) struct Session {
    id: Box<[u8]>,
    pub(crate) pod: u8,
    returned: Option<Box<[u8]>>,
}

impl Session {
    /// That which the response to `initialize` opened.
    pub(crate) fn of(response: &Messages, client: Client) -> Result<Self> {
        let id = response.header("mcp-session-id").context("no session")?;
        let returned = match client {
            Client::Returns(name) => Some(response.header(name).context("no header to return")?),
            Client::Plain | Client::NamesPod(_) => None,
        };
        let pod = pod(response).context("no pod")?;
        Ok(Self { id: id.into(), pod, returned: returned.map(Box::from) })
    }
}

/// The ordinal of the pod that a response is from.
pub(crate) fn pod(response: &Messages) -> Option<u8> {
    Some(response.header("x-pod")?.first()? - b'0')
}

/// A request but for what depends on the session.
pub(crate) struct Request {
    start: Vec<u8>,
    body: Vec<u8>,
}

impl Request {
    pub(crate) fn new(ask: &Ask) -> Self {
        let Ask { method, path, headers, body } = ask;
        let mut start = format!("{method} {path} HTTP/1.1\r\n").into_bytes();
        for (name, value) in headers {
            start.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
        }
        start.extend(format!("content-length: {}\r\n", body.len()).into_bytes());
        Self { start, body: body.clone() }
    }

    /// Writes it for a session, or for none.
    pub(crate) fn write(
        &self,
        client: Client,
        session: Option<&Session>,
        bytes: &mut Vec<u8>,
    ) -> Result<()> {
        bytes.clear();
        bytes.extend(&self.start);
        match (client, session) {
            (Client::NamesPod(port), Some(session)) => {
                write!(bytes, "host: {}:{port}\r\n", pod_name(session.pod.into()))?;
            }
            (Client::Returns(name), Some(Session { returned: Some(value), .. })) => {
                write!(bytes, "host: mcp.example\r\n{name}: ")?;
                bytes.extend(value);
                bytes.extend(b"\r\n");
            }
            _ => bytes.extend(b"host: mcp.example\r\n"),
        }
        if let Some(session) = session {
            bytes.extend(b"mcp-session-id: ");
            bytes.extend(&session.id);
            bytes.extend(b"\r\n");
        }
        bytes.extend(b"\r\n");
        bytes.extend(&self.body);
        Ok(())
    }
}
