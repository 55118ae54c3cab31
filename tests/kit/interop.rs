//! MCP servers and clients of other SDKs, each a process of its own: the programs of `tests/interop/`.

use std::io::{BufRead, BufReader, Write};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::root;

/// A server.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Server {
    /// Of MCP's Rust SDK.
    Rmcp,
    /// Of the same, with tasks.
    RmcpTasks,
    /// Of MCP's Python SDK 1.
    Python1,
    /// Of MCP's Python SDK 2.
    Python2,
    /// The reference server, of MCP's TypeScript SDK.
    Everything,
    /// Of FastMCP, with tasks.
    FastMcp,
    /// Of MCP's Go SDK.
    Go,
    /// The one that the same SDK has for MCP's conformance tests.
    Conformance,
}

/// A client.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Client {
    Rmcp,
    Python1,
    Python2,
    TypeScript1,
    TypeScript2,
    Go,
    Java,
}

impl Client {
    pub const ALL: [Self; 7] = [
        Self::Rmcp,
        Self::Python1,
        Self::Python2,
        Self::TypeScript1,
        Self::TypeScript2,
        Self::Go,
        Self::Java,
    ];

    /// Those that know a transport.
    pub fn of(transport: Transport) -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(move |it| *it != Self::Rmcp || transport != Transport::Sse)
    }
}

/// A client that takes the newest protocol version that a server has.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Newest {
    Python2,
    TypeScript2,
    FastMcp,
    Go,
}

/// How they talk.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Transport {
    StreamableHttp,
    /// The same with responses that are one JSON message. Of Python's servers only.
    Json,
    Sse,
}

impl Transport {
    /// Where it is served.
    pub fn path(self) -> &'static str {
        if self == Self::Sse { "/sse" } else { "/mcp" }
    }

    /// Its name in an order to a client.
    pub fn name(self) -> &'static str {
        if self == Self::Sse { "sse" } else { "http" }
    }
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
        let mut command = match server {
            Server::Rmcp => ours("server"),
            Server::RmcpTasks => ours("tasks"),
            Server::Python1 => installed("python-1/bin/python", Some("server.py")),
            Server::Python2 => installed("python-2/bin/python", Some("server.py")),
            Server::Everything => installed("node", Some("everything.mjs")),
            Server::Go => installed("go/server", None),
            Server::Conformance => Command::new(root().join("tests/interop/conformance/server")),
            Server::FastMcp => installed("fastmcp/bin/python", Some("fastmcp_server.py")),
        };
        command.arg(ip.to_string()).arg(port.to_string());
        match transport {
            Transport::StreamableHttp => {}
            Transport::Json => drop(command.arg("--json")),
            Transport::Sse => drop(command.arg("--sse")),
        }
        let mut program = Self::run(command)?;
        let said = program.line()?;
        ensure!(said == "ready", "{server:?} on {ip}:{port} says {said:?}");
        Ok(program)
    }

    /// A client that takes orders.
    pub fn client(client: Client) -> Result<Self> {
        Self::run(match client {
            Client::Rmcp => ours("client"),
            Client::Python1 => installed("python-1/bin/python", Some("client.py")),
            Client::Python2 => installed("python-2/bin/python", Some("client.py")),
            Client::TypeScript1 => installed("node", Some("client-1.mjs")),
            Client::TypeScript2 => installed("node", Some("client-2.mjs")),
            Client::Go => installed("go/client", None),
            Client::Java => java(),
        })
    }

    /// A client of both eras that takes orders to connect and to call.
    pub fn newest(client: Newest) -> Result<Self> {
        Self::run(match client {
            Newest::Python2 => installed("python-2/bin/python", Some("auto.py")),
            Newest::TypeScript2 => installed("node", Some("auto.mjs")),
            Newest::FastMcp => installed("fastmcp/bin/python", Some("fastmcp_client.py")),
            Newest::Go => {
                let mut client = installed("go/client", None);
                client.arg("--newest");
                client
            }
        })
    }

    /// Has a client do something. What came of it.
    pub fn order(&mut self, order: &Value) -> Result<Value> {
        self.begin(order)?;
        self.answer()
    }

    /// Has a client begin to do something.
    pub fn begin(&mut self, order: &Value) -> Result<()> {
        let orders = self.orders.as_mut().context("it has ended")?;
        writeln!(orders, "{order}")?;
        Ok(orders.flush()?)
    }

    /// What came of it.
    pub fn answer(&mut self) -> Result<Value> {
        let answer = self.line()?;
        serde_json::from_str(&answer).with_context(|| answer)
    }

    /// The id of its process.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Ends it as the kernel does one that takes too much memory.
    pub fn kill(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }

    fn run(mut command: Command) -> Result<Self> {
        let mut process = command
            .current_dir(root())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("no {command:?}: run `tests/prerequisites interop`"))?;
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

/// A program of `tests/interop/`, or what `tests/interop/install` made of it.
fn installed(runner: &str, program: Option<&str>) -> Command {
    let mut command = Command::new(root().join(".tools/interop").join(runner));
    command.args(program.map(|program| PathBuf::from("tests/interop").join(program)));
    command
}

/// The client in Java, with little memory.
fn java() -> Command {
    let mut command = Command::new("java");
    let classes = root().join(".tools/interop/java").display().to_string();
    command.args(["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xmx128m"]);
    command.args(["-cp", &format!("{classes}:{classes}/lib/*"), "Client"]);
    command
}

/// The one in Rust, which Cargo builds beside the tests.
fn ours(role: &str) -> Command {
    let tests = std::env::current_exe().unwrap_or_default();
    let built = tests.parent().and_then(Path::parent).unwrap_or(Path::new(""));
    let mut command = Command::new(built.join("interop-rmcp"));
    command.arg(role);
    command
}
