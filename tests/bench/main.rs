//! What Podpin costs, as ratios and differences within one run.

mod cpu;
mod miss;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    cpu::run().await?;
    println!();
    miss::run().await
}
