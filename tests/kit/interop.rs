//! MCP servers and clients of other SDKs, each a process of its own: the programs of `tests/interop/`.

use std::io::{BufRead, BufReader, Write};
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::root;

/// A server.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Server {
    /// Of MCP's Python SDK 1.
    Python1,
    /// Of MCP's Python SDK 2.
    Python2,
    /// The reference server, of MCP's TypeScript SDK.
    Everything,
    /// Of FastMCP, with tasks.
    FastMcp,
}

/// A client.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Client {
    Python1,
    Python2,
    TypeScript1,
    TypeScript2,
}

impl Client {
    pub const ALL: [Self; 4] = [Self::Python1, Self::Python2, Self::TypeScript1, Self::TypeScript2];
}

/// A client that takes the newest protocol version that a server has.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Newest {
    Python2,
    TypeScript2,
    FastMcp,
}

/// How they talk.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Transport {
    StreamableHttp,
    Sse,
}

/// A process that ends when its standard input is closed.
pub struct Program {
    process: Child,
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Program {
    /// A server on this address, once it accepts connections.
    pub fn serve(server: Server, transport: Transport, ip: IpAddr, port: u16) -> Result<Self> {
        let (runner, program) = match server {
            Server::Python1 => ("python-1/bin/python", "server.py"),
            Server::Python2 => ("python-2/bin/python", "server.py"),
            Server::Everything => ("node", "everything.mjs"),
            Server::FastMcp => ("fastmcp/bin/python", "fastmcp_server.py"),
        };
        let mut arguments = vec![ip.to_string(), port.to_string()];
        arguments.extend((transport == Transport::Sse).then(|| "--sse".to_owned()));
        let mut program = Self::run(runner, program, &arguments)?;
        let said = program.line()?;
        ensure!(said == "ready", "{server:?} on {ip}:{port} says {said:?}");
        Ok(program)
    }

    /// A client that takes orders.
    pub fn client(client: Client) -> Result<Self> {
        let (runner, program) = match client {
            Client::Python1 => ("python-1/bin/python", "client.py"),
            Client::Python2 => ("python-2/bin/python", "client.py"),
            Client::TypeScript1 => ("node", "client-1.mjs"),
            Client::TypeScript2 => ("node", "client-2.mjs"),
        };
        Self::run(runner, program, &[])
    }

    /// A client of both eras that takes orders to connect and to call.
    pub fn newest(client: Newest) -> Result<Self> {
        let (runner, program) = match client {
            Newest::Python2 => ("python-2/bin/python", "auto.py"),
            Newest::TypeScript2 => ("node", "auto.mjs"),
            Newest::FastMcp => ("fastmcp/bin/python", "fastmcp_client.py"),
        };
        Self::run(runner, program, &[])
    }

    /// Has a client do something. What came of it.
    pub fn order(&mut self, order: &Value) -> Result<Value> {
        let orders = self.orders.as_mut().context("it has ended")?;
        writeln!(orders, "{order}")?;
        orders.flush()?;
        let answer = self.line()?;
        serde_json::from_str(&answer).with_context(|| answer)
    }

    /// Ends it as the kernel does one that takes too much memory.
    pub fn kill(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }

    fn run(runner: &str, program: &str, arguments: &[String]) -> Result<Self> {
        let installed = root().join(".tools/interop");
        let mut process = Command::new(installed.join(runner))
            .arg(PathBuf::from("tests/interop").join(program))
            .args(arguments)
            .current_dir(root())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("no {runner}: run `tests/prerequisites interop`"))?;
        let (orders, answers) = (process.stdin.take(), process.stdout.take());
        let answers = BufReader::new(answers.context("no output")?);
        Ok(Self { process, orders, answers })
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        Ok(line.trim_end().to_owned())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.orders = None;
        self.kill();
    }
}
