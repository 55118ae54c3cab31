//! The main job on one screen, with real parts on loopback: MCP servers that keep sessions in
//! memory, Envoy in front of them, and sessions of a real MCP client.
//!
//! - `demo` runs sessions without Podpin and with it, and fails if a call is lost with it. Then it kills a
//!   pod under live clients, and fails if not all of them work again.
//! - `demo redis` runs sessions across two Envoys and their restart, and fails if a call is lost.
//! - `demo sealed` does so without a store.
//! - `demo up EXAMPLE` leaves one of the examples running.

mod compare;
mod redis;
mod report;
mod restart;
mod sealed;
mod shared;
mod up;

use std::process::ExitCode;

use anyhow::bail;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let result = match arguments.as_slice() {
        [] => match compare::run().await {
            Ok(()) => restart::run().await,
            failed => failed,
        },
        ["redis"] => redis::run().await,
        ["sealed"] => sealed::run().await,
        ["up"] => up::run("envoy.yaml").await,
        ["up", example] => up::run(example).await,
        other => {
            (|| bail!("{other:?} is not known here; there are redis, sealed, up and up EXAMPLE"))()
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("podpin: {error:#}");
            ExitCode::FAILURE
        }
    }
}
