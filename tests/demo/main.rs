use kit::{pods::App, setup::Setup};
#[tokio::main]
async fn main() {
    let s = Setup::start("envoy.yaml", App::Stateful, |b| b)
        .await
        .unwrap();
    println!(
        "{} admin {} dns {} pods {}",
        s.envoy.address, s.envoy.admin, s.dns.address, s.pods.port
    );
    tokio::signal::ctrl_c().await.unwrap();
}
