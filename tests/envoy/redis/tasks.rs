//! Tasks that are asked about through another Envoy than the one that saw them made.

use std::time::{Duration, Instant};

use kit::client::Ask;
use kit::envoy::Envoy;
use kit::mini_redis::Front;
use kit::pods::App;
use kit::scenarios::{about_task, call, tasks};
use kit::setup::SharedSetup;
use serde_json::{Value, json};

/// The pod that a request reaches, and what it answers.
async fn reached(
    setup: &SharedSetup,
    envoy: &Envoy,
    http: &reqwest::Client,
    ask: Ask,
) -> (usize, Value) {
    setup.pods.take_seen();
    let got = ask.send(http, &envoy.url("")).await.expect("a response");
    let answer = got.bytes().await.expect("all of the response");
    let (pod, _) = setup.pods.take_seen().pop().expect("a pod");
    (pod, serde_json::from_slice(&answer).expect("JSON"))
}

/// How many of 100 tasks are found by a poll that follows at once, and the time between.
async fn found(rules: Value) -> (usize, Duration, Envoy) {
    let setup =
        SharedSetup::start(Front::Webdis, App::Script(tasks)).await.expect("the set-up starts");
    let example = setup.bootstrap().expect("an example");
    let example = example.plugin(|plugin| plugin["modern"] = json!({"affinity": rules}));
    let start = async || Envoy::start(&example).await.expect("Envoy starts");
    let (one, other) = (start().await, start().await);
    let http = reqwest::Client::new();
    let (mut found, mut longest) = (0, Duration::ZERO);
    for number in 0..100 {
        if number % 2 == 0 {
            // Else both might go through the pods in step, and every poll find its task, or none.
            reached(&setup, &other, &http, call("json").at("/elsewhere")).await;
        }
        let (made_on, answer) = reached(&setup, &one, &http, call("json")).await;
        let made = Instant::now();
        let id = answer["result"]["taskId"].as_str().expect("a task").to_owned();
        let poll = about_task("tasks/get").header("mcp-name", id);
        longest = longest.max(made.elapsed());
        let (asked, _) = reached(&setup, &other, &http, poll).await;
        found += usize::from(made_on == asked);
    }
    (found, longest, other)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_is_found_through_another_envoy_as_soon_as_its_id_is_known() {
    let (by_chance, ..) = found(json!([])).await;
    assert!(by_chance < 90, "{by_chance}");
    let (found, longest, other) = found(json!([{"task": {}}])).await;
    println!("{found} of 100 tasks, polled after at most {longest:?}; {by_chance} without a rule");
    assert_eq!(found, 100);
    assert_eq!((other.counter("steered").await, other.counter("untracked").await), (100, 0));
    assert_eq!(other.counter("store_asked").await, 100);
}
