//! MCP servers as one pod, `interop-rmcp server HOST PORT` and `interop-rmcp tasks HOST PORT`, and a client that
//! takes orders, `interop-rmcp client`, all on the official SDK for Rust, as `tests/interop/README.md` says.

#![expect(deprecated, reason = "sessions have sampling")]

mod client;
mod server;
mod tasks;

use std::io::Read;

use anyhow::{Result, bail};

fn main() -> Result<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["client"] => client::run(&runtime),
        ["server", host, port] => {
            std::thread::spawn(end_with_stdin);
            runtime.block_on(server::run(host, port.parse()?))
        }
        ["tasks", host, port] => {
            std::thread::spawn(end_with_stdin);
            runtime.block_on(tasks::run(host, port.parse()?))
        }
        _ => bail!("interop-rmcp server|tasks HOST PORT, or interop-rmcp client"),
    }
}

/// So that no pod outlives its test.
fn end_with_stdin() {
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
    std::process::exit(0);
}
