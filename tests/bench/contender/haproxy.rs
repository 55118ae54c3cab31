//! HAProxy with a stick table: it learns of a session from the response that opens it.

use std::fmt::Write;
use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};
use kit::dns::{any_port, pod_ip};
use kit::machine::word_of;
use kit::wait::until;
use tempfile::TempDir;
use tokio::net::TcpStream;

use crate::pods::PODS;

/// The line of a Markdown list that says which there is.
pub(crate) fn describe() -> String {
    let program = program().map(|program| program.display().to_string());
    let version = program.and_then(|program| word_of(&program, &["-v"], "version "));
    format!("- HAProxy {}", version.unwrap_or_else(|| "missing, so left out".to_owned()))
}

pub(crate) struct HaProxy {
    pub(crate) address: SocketAddr,
    process: Child,
    /// Its configuration. Removed with it.
    _directory: TempDir,
}

impl HaProxy {
    pub(crate) async fn start(pods: u16) -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let address = TcpListener::bind(any_port())?.local_addr()?;
        let file = directory.path().join("haproxy.cfg");
        fs::write(&file, configuration(address, pods)?)?;
        let mut process = Command::new("setpriv")
            .args(["--pdeathsig", "KILL"])
            .arg(program().context("HAProxy is missing")?)
            .args(["-db", "-f"])
            .arg(file)
            .stdout(Stdio::null())
            .spawn()
            .context("setpriv, of Debian's package util-linux, cannot be run")?;
        let mut ended = None;
        until("HAProxy to be ready", || {
            ended = process.try_wait().ok().flatten();
            let is_over = ended.is_some();
            async move { (is_over || TcpStream::connect(address).await.is_ok()).then_some(()) }
        })
        .await;
        if let Some(status) = ended {
            bail!("HAProxy did not start: {status}");
        }
        Ok(Self { address, process, _directory: directory })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }
}

impl Drop for HaProxy {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Where it is, which need not be on everybody's PATH.
pub(crate) fn program() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut places: Vec<_> = std::env::split_paths(&path).collect();
    places.push("/usr/sbin".into());
    places.into_iter().map(|place| place.join("haproxy")).find(|place| place.is_file())
}

fn configuration(address: SocketAddr, pods: u16) -> Result<String> {
    let mut text = format!(
        "global
  nbthread 1
defaults
  mode http
  timeout connect 2s
  timeout client 2h
  timeout server 2h
  http-reuse always
frontend mcp
  bind {address}
  default_backend pods
backend pods
  balance roundrobin
  stick-table type string len 64 size 1m expire 2h
  stick on req.hdr(mcp-session-id)
  stick store-response res.hdr(mcp-session-id)
"
    );
    for ordinal in 0..PODS {
        writeln!(text, "  server pod{ordinal} {}:{pods}", pod_ip(ordinal))?;
    }
    Ok(text)
}
