//! The configuration changes, the file changes, and the module goes, while sessions are open.

use std::fs;

use kit::bootstrap::{Bootstrap, publish};
use kit::client::{Ask, Session};
use kit::envoy::Envoy;
use kit::listeners::{by_file, listener};
use kit::native::MODULE;
use kit::root;
use kit::setup::{Setup, on_free_ports};
use kit::wait::until;
use serde_json::json;
use tempfile::TempDir;

/// An Envoy whose listener comes from a file, with a module that can be replaced, and a session that is open.
struct Running {
    setup: Setup,
    directory: TempDir,
    updates: u64,
}

impl Running {
    async fn start() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let (file, module) =
            (directory.path().join("listeners.json"), directory.path().join("libpodpin.so"));
        fs::copy(root().join(MODULE), &module).expect("make native");
        let setup = super::changed(|example| {
            let example = example.with_module(&module);
            publish(&[listener(&example)], &file);
            by_file(example, &file)
        })
        .await;
        Self { setup, directory, updates: 1 }
    }

    fn example(&self) -> Bootstrap {
        let example = on_free_ports("native.yaml", &self.setup.pods, &self.setup.dns);
        example.expect("the example").with_module(&self.directory.path().join("libpodpin.so"))
    }

    /// Replaces the listener, and waits until it serves.
    async fn publish(&mut self, example: &Bootstrap) {
        publish(&[listener(example)], &self.directory.path().join("listeners.json"));
        self.updates += 1;
        until("the listener", async || {
            let stats = self.setup.envoy.stats("listener_manager").await.ok()?;
            let is_there = stats["listener_manager.lds.update_success"] == self.updates
                && stats["listener_manager.total_listeners_warming"] == 0;
            is_there.then_some(())
        })
        .await;
    }

    async fn open(&self) -> Session {
        let url = self.setup.envoy.url("/mcp");
        Session::open(reqwest::Client::new(), &url).await.expect("a session opens")
    }
}

/// How many threads of an Envoy tick.
fn tickers(envoy: &Envoy) -> usize {
    let tasks = fs::read_dir(format!("/proc/{}/task", envoy.pid())).expect("threads");
    let names = tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("comm")).ok());
    names.filter(|name| name.trim() == "podpin-tick").count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_the_configuration_keeps_sessions_and_their_open_streams() {
    let mut running = Running::start().await;
    // Its GET stream stays open.
    let old = running.open().await;
    let changed = running.example().plugin(|plugin| plugin["session"] = json!({"max_age": "12h"}));
    running.publish(&changed).await;
    let new = running.open().await;
    for count in 1..=3 {
        assert_eq!(old.count().await.expect("served"), count);
        assert_eq!(new.count().await.expect("served"), count);
    }
    assert_eq!(running.setup.envoy.counter("unknown").await, 0);
    assert_eq!(tickers(&running.setup.envoy), 2, "one for each configuration that has streams");
}

/// To use a new one Envoy has to be restarted, and nobody is hurt who did not know.
#[tokio::test(flavor = "multi_thread")]
async fn a_module_that_is_moved_into_the_place_of_the_old_one_waits_for_a_restart() {
    let mut running = Running::start().await;
    let session = running.open().await;
    let new = running.directory.path().join("new");
    fs::write(&new, "no module at all").expect("a file");
    fs::rename(new, running.directory.path().join("libpodpin.so")).expect("a file");
    let changed = running.example().plugin(|plugin| plugin["session"] = json!({"max_age": "12h"}));
    running.publish(&changed).await;
    assert_eq!(session.count().await.expect("served"), 1);
    assert_eq!(running.open().await.count().await.expect("served"), 1);
    let refused = "listener_manager.lds.update_rejected";
    assert_eq!(running.setup.envoy.stats(refused).await.unwrap()[refused], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_outlive_the_last_configuration() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("listeners.json");
    let setup = super::changed(|example| example).await;
    let example = || on_free_ports("native.yaml", &setup.pods, &setup.dns).expect("the example");
    publish(&[listener(&example())], &file);
    let envoy = Envoy::start_brief(&by_file(example(), &file)).await.expect("Envoy");
    let origin = envoy.url("");
    let got = Ask::initialize().send(&reqwest::Client::new(), &origin).await;
    let id = got.expect("a response").headers()["mcp-session-id"].clone();
    assert_eq!(tickers(&envoy), 1);
    publish(&[listener(&example().without_podpin())], &file);
    // Its thread has ended, or its code would be gone under it.
    until("the configuration to go", async || (tickers(&envoy) == 0).then_some(())).await;
    publish(&[listener(&example())], &file);
    until("the configuration to be back", async || (tickers(&envoy) == 1).then_some(())).await;
    let served = until("the listener to serve", async || {
        let ask = Ask::tool("count").session(&id);
        let got = ask.send(&reqwest::Client::new(), &origin).await.ok()?;
        let is_new = envoy.stats("total_listeners_draining").await.ok()?;
        let is_new = is_new["listener_manager.total_listeners_draining"] == 0;
        is_new.then_some(got.status())
    });
    assert_eq!(served.await, 200);
}
