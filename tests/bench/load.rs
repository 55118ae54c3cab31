//! Requests over connections that are kept open, and what they cost Envoy.
//!
//! The client is as lean as can be, so that Envoy has something to do all the time: an Envoy that
//! waits spends processor time on falling asleep and on waking up, by as much as the machine wants.

use std::fs;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use kit::client::Ask;
use kit::envoy::Envoy;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

const CONNECTIONS: usize = 16;

/// Clients of one Envoy that all ask the same.
pub(crate) struct Load {
    pid: u32,
    request: Arc<[u8]>,
    connections: Vec<TcpStream>,
}

impl Load {
    pub(crate) async fn on(envoy: &Envoy, ask: &Ask) -> Result<Self> {
        let mut connections = Vec::new();
        for _ in 0..CONNECTIONS {
            let connection = TcpStream::connect(envoy.address).await?;
            connection.set_nodelay(true)?;
            connections.push(connection);
        }
        Ok(Self { pid: envoy.pid(), request: on_the_wire(ask).into(), connections })
    }

    /// Microseconds of Envoy's processor time for each request, of which every connection sends
    /// `each`.
    pub(crate) async fn cost(&mut self, each: usize) -> Result<f64> {
        let before = processor_time(self.pid)?;
        let mut lanes = JoinSet::new();
        for connection in self.connections.drain(..) {
            lanes.spawn(lane(connection, self.request.clone(), each));
        }
        while let Some(lane) = lanes.join_next().await {
            self.connections.push(lane??);
        }
        let spent = processor_time(self.pid)? - before;
        Ok(spent / 1000.0 / (CONNECTIONS * each) as f64)
    }
}

/// One connection, with a request at a time.
async fn lane(mut stream: TcpStream, request: Arc<[u8]>, each: usize) -> Result<TcpStream> {
    for _ in 0..each {
        stream.write_all(&request).await?;
        response(&mut stream).await?;
    }
    Ok(stream)
}

/// Reads one response, which must be a success of a known length.
async fn response(stream: &mut TcpStream) -> Result<()> {
    let mut bytes = Vec::with_capacity(4096);
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end;
        }
        if stream.read_buf(&mut bytes).await? == 0 {
            bail!("Envoy closed a connection");
        }
    };
    let head = str::from_utf8(&bytes[..end])?;
    if !head.starts_with("HTTP/1.1 200 ") {
        bail!("no success:\n{head}");
    }
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let length: usize = length.context("a response without length")?.parse()?;
    while bytes.len() < end + 4 + length {
        if stream.read_buf(&mut bytes).await? == 0 {
            bail!("Envoy closed a connection");
        }
    }
    Ok(())
}

fn on_the_wire(ask: &Ask) -> Vec<u8> {
    let Ask { method, path, headers, body } = ask;
    let mut bytes = format!("{method} {path} HTTP/1.1\r\n").into_bytes();
    for (name, value) in headers {
        bytes.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
    }
    bytes.extend(format!("content-length: {}\r\n\r\n", body.len()).into_bytes());
    bytes.extend(body);
    bytes
}

/// Nanoseconds that the threads of a process have spent on a processor (Linux, schedstat).
fn processor_time(pid: u32) -> Result<f64> {
    let mut total = 0.0;
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        let stat = fs::read_to_string(task?.path().join("schedstat"))?;
        total += stat.split_whitespace().next().context("schedstat")?.parse::<f64>()?;
    }
    Ok(total)
}
