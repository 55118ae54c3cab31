//! A real Redis and a real webdis as child processes, and a front that speaks Upstash's protocol.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use axum::{Json, Router};
use redis::Value as Reply;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::dns::any_port;
use crate::wait::until;

/// Where Redis keeps what it writes down, by default.
const WRITTEN: &str = "appendonlydir";

/// A Redis on a socket of its own.
pub struct Redis {
    directory: TempDir,
    /// Whether what it has outlives it.
    is_durable: bool,
    process: Option<Child>,
}

impl Redis {
    /// Starts one without persistence.
    pub async fn start() -> Result<Self> {
        Self::start_as(false).await
    }

    /// Starts one that writes down each change before it answers.
    pub async fn start_durable() -> Result<Self> {
        Self::start_as(true).await
    }

    async fn start_as(is_durable: bool) -> Result<Self> {
        let mut redis = Self { directory: tempfile::tempdir()?, is_durable, process: None };
        redis.run().await?;
        Ok(redis)
    }

    /// Runs it again after [`Redis::stop`]; unless it is durable, it remembers nothing.
    pub async fn run(&mut self) -> Result<()> {
        let process = child("redis-server")
            .args(["--port", "0", "--save", ""])
            .args(["--appendonly", if self.is_durable { "yes" } else { "no" }, "--dir"])
            .arg(self.directory.path())
            .arg("--unixsocket")
            .arg(self.socket())
            .stdout(Stdio::null())
            .spawn()
            .context("redis-server is missing: apt-get install redis-server")?;
        self.process = Some(process);
        let socket = self.socket();
        until("Redis", || async { ping(&socket).await.ok() }).await;
        Ok(())
    }

    pub fn stop(&mut self) {
        end(&mut self.process);
        // Redis removes it too, unless it is killed.
        let _ = std::fs::remove_file(self.socket());
    }

    /// Has one that was stopped remember nothing.
    pub fn empty(&self) -> Result<()> {
        Ok(std::fs::remove_dir_all(self.directory.path().join(WRITTEN))?)
    }

    pub fn socket(&self) -> PathBuf {
        self.directory.path().join("redis.sock")
    }

    /// Carries out a command.
    pub async fn command(&self, command: &[&str]) -> Result<Reply> {
        let client = redis::Client::open(format!("redis+unix://{}", self.socket().display()))?;
        let mut connection = client.get_multiplexed_async_connection().await?;
        execute(&mut connection, command).await
    }

    /// A section of `INFO`.
    pub async fn info(&self, section: &str) -> Result<String> {
        match self.command(&["INFO", section]).await? {
            Reply::BulkString(text) => Ok(String::from_utf8(text)?),
            Reply::VerbatimString { text, .. } => Ok(text),
            other => bail!("{other:?} is no INFO"),
        }
    }

    /// How often a command was called.
    pub async fn calls(&self, command: &str) -> u64 {
        let info = self.info("commandstats").await.expect("Redis answers");
        let prefix = format!("cmdstat_{command}:calls=");
        let count = info.lines().find_map(|line| line.strip_prefix(&prefix));
        count.map_or(0, |rest| rest.split(',').next().unwrap().parse().expect("a count"))
    }

    /// How many keys there are.
    pub async fn keys(&self) -> i64 {
        match self.command(&["DBSIZE"]).await {
            Ok(Reply::Int(keys)) => keys,
            other => panic!("{other:?} is no DBSIZE"),
        }
    }

    /// The bytes that it has allocated, its own bookkeeping included.
    pub async fn used_memory(&self) -> i64 {
        let info = self.info("memory").await.expect("Redis answers");
        let line = info.lines().find_map(|line| line.strip_prefix("used_memory:"));
        line.expect("used_memory").trim().parse().expect("a number")
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.stop();
    }
}

async fn ping(socket: &std::path::Path) -> Result<()> {
    let client = redis::Client::open(format!("redis+unix://{}", socket.display()))?;
    let mut connection = client.get_multiplexed_async_connection().await?;
    execute(&mut connection, &["PING"]).await.map(drop)
}

async fn execute(
    connection: &mut redis::aio::MultiplexedConnection,
    command: &[&str],
) -> Result<Reply> {
    let (name, arguments) = command.split_first().context("no command")?;
    Ok(redis::cmd(name).arg(arguments).query_async(connection).await?)
}

/// webdis in front of a Redis. Only `podpin` with the password `secret` may use it.
pub struct Webdis {
    pub address: SocketAddr,
    directory: TempDir,
    process: Option<Child>,
}

impl Webdis {
    /// Listens on `port`, or on one that is free.
    pub async fn start(redis: &Redis, port: Option<u16>) -> Result<Self> {
        for _ in 0..20 {
            let port = match port {
                Some(port) => port,
                None => TcpListener::bind(any_port()).await?.local_addr()?.port(),
            };
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
            let mut webdis = Self { address, directory: tempfile::tempdir()?, process: None };
            webdis.configure(redis)?;
            if webdis.run().await? {
                return Ok(webdis);
            }
        }
        bail!("webdis cannot listen on 127.0.0.1:{}", port.unwrap_or(0))
    }

    fn configure(&self, redis: &Redis) -> Result<()> {
        let config = json!({
            "redis_host": redis.socket(), "redis_port": 0,
            "http_host": self.address.ip(), "http_port": self.address.port(),
            "threads": 2, "pool_size": 8, "daemonize": false, "websockets": false,
            "database": 0, "verbosity": 4, "logfile": self.log_file(),
            "acl": [
                {"disabled": ["*"]},
                {"http_basic_auth": "podpin:secret", "enabled": ["SET", "GET", "GETEX"]},
            ],
        });
        Ok(std::fs::write(self.directory.path().join("webdis.json"), config.to_string())?)
    }

    /// Runs it, again after [`Webdis::stop`]. False if its port is taken.
    pub async fn run(&mut self) -> Result<bool> {
        let process = child("webdis")
            .arg(self.directory.path().join("webdis.json"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("webdis is missing: apt-get install webdis")?;
        let process = self.process.insert(process);
        let address = self.address;
        loop {
            if process.try_wait()?.is_some() {
                return Ok(false);
            }
            if TcpStream::connect(address).await.is_ok() {
                return Ok(true);
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    }

    pub fn stop(&mut self) {
        end(&mut self.process);
    }

    /// What it logged: every request it got.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    fn log_file(&self) -> PathBuf {
        self.directory.path().join("webdis.log")
    }
}

impl Drop for Webdis {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Upstash's REST protocol in front of a Redis: a command as a JSON array in the body of a POST to
/// `/`, with a bearer token; `{"result": …}` or `{"error": …}` as the response.
pub struct Upstash {
    pub address: SocketAddr,
    server: JoinHandle<()>,
}

impl Upstash {
    pub async fn start(redis: &Redis) -> Result<Self> {
        let client = redis::Client::open(format!("redis+unix://{}", redis.socket().display()))?;
        let listener = TcpListener::bind(any_port()).await?;
        let address = listener.local_addr()?;
        let app = Router::new().route("/", post(upstash)).with_state(Arc::new(client));
        let server = tokio::spawn(async move {
            // Ends with the runtime or by being dropped.
            let _ = axum::serve(listener, app).await;
        });
        Ok(Self { address, server })
    }
}

impl Drop for Upstash {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn upstash(
    State(client): State<Arc<redis::Client>>,
    headers: HeaderMap,
    body: String,
) -> (StatusCode, Json<Value>) {
    if headers.get("authorization").is_none_or(|token| token != "Bearer secret") {
        return (StatusCode::UNAUTHORIZED, Json(json!({"error": "Unauthorized"})));
    }
    let failed = |error: String| (StatusCode::BAD_REQUEST, Json(json!({"error": error})));
    let Ok(command) = serde_json::from_str::<Vec<String>>(&body) else {
        return failed("ERR the body is not an array of strings".to_owned());
    };
    let command: Vec<_> = command.iter().map(String::as_str).collect();
    let reply =
        async { execute(&mut client.get_multiplexed_async_connection().await?, &command).await };
    match reply.await {
        Ok(Reply::Nil) => (StatusCode::OK, Json(json!({"result": null}))),
        Ok(Reply::Okay) => (StatusCode::OK, Json(json!({"result": "OK"}))),
        Ok(Reply::Int(number)) => (StatusCode::OK, Json(json!({"result": number}))),
        Ok(Reply::SimpleString(text)) => (StatusCode::OK, Json(json!({"result": text}))),
        Ok(Reply::BulkString(text)) => {
            (StatusCode::OK, Json(json!({"result": String::from_utf8_lossy(&text)})))
        }
        Ok(other) => failed(format!("ERR {other:?} is not a reply that pins need")),
        Err(error) => failed(error.to_string()),
    }
}

/// A program that ends when this thread does, also if it is killed.
pub(crate) fn child(program: &str) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", program]);
    command
}

fn end(process: &mut Option<Child>) {
    if let Some(mut process) = process.take() {
        let _ = process.kill();
        let _ = process.wait();
    }
}
