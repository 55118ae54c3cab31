//! Sessions that two Envoys share through a Redis.

use kit::client::Ask;
use kit::envoy::Envoy;
use kit::mini_redis::Front;
use kit::mode::Mode;
use kit::pods::App;
use kit::setup::{SharedSetup, on_free_ports};

/// What is looked up is steered from within a hook that is none of the request's.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_of_another_envoy_is_found() {
    for mode in Mode::ALL.into_iter().filter(|mode| *mode != Mode::OriginalDst) {
        let setup = SharedSetup::start_for(mode.example(), Front::Webdis, App::Stateful).await;
        let setup = setup.expect("the set-up starts");
        let mut example = on_free_ports(mode.example(), &setup.pods, &setup.dns).unwrap();
        example.take_store(setup.bootstrap().unwrap());
        let example = example.natively();
        let opener = Envoy::start(&example).await.expect("Envoy starts");
        let other = Envoy::start(&example).await.expect("Envoy starts");
        let http = reqwest::Client::new();
        for _ in 0..6 {
            let got = Ask::initialize().send(&http, &opener.url("")).await.expect("a response");
            let id = got.headers()["mcp-session-id"].clone();
            for known in [false, true] {
                let ask = Ask::tool("count").session(&id);
                let got = ask.send(&http, &other.url("")).await.expect("a response");
                assert_eq!(got.status(), 200, "{mode:?}, {known}");
            }
        }
    }
}
