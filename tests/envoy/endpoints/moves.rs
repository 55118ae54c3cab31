//! Endpoints that are removed, drained and added while sessions run.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use kit::discovered::{Discovered, Health, Pinned, open};
use kit::mode::Mode;
use kit::pods::App;
use kit::scenarios::is_session_not_found;
use kit::wait::until;

use super::{MODES, unchanged};

const SESSIONS: usize = 60;
const CALLS: usize = 20;

/// What the sessions that run side by side share.
#[derive(Default)]
struct Load {
    calls: AtomicUsize,
    /// Pods that have no endpoint any more.
    gone: Mutex<BTreeSet<String>>,
    /// Pods that get no new sessions.
    closed: Mutex<BTreeSet<String>>,
    /// Sessions that were answered 404, and those that were opened after that, by pod.
    lost: Mutex<Vec<String>>,
    opened_again: Mutex<Vec<String>>,
    is_over: AtomicBool,
}

/// Uses one session after another until the load is over.
async fn run(load: Arc<Load>, origin: String, first: Pinned) {
    let http = reqwest::Client::new();
    let (mut session, mut calls) = (first, 0);
    while !load.is_over.load(Ordering::SeqCst) {
        let got = session.count(&http, &origin).await;
        let is_gone = load.gone.lock().unwrap().contains(&session.pod);
        load.calls.fetch_add(1, Ordering::SeqCst);
        let got = match got {
            // What a pod was about to answer when it ended is lost with it, whoever proxies.
            Err(_) if is_gone => continue,
            Ok(got) if got.status == 503 && is_gone => continue,
            got => got.expect("a response"),
        };
        if got.status == 200 {
            calls += 1;
            assert_eq!(got.text(), calls.to_string(), "a call went elsewhere");
            continue;
        }
        is_session_not_found(&got);
        assert!(is_gone, "{} lives", session.pod);
        load.lost.lock().unwrap().push(session.pod);
        session = open(&http, &origin).await.expect("a new session");
        load.opened_again.lock().unwrap().push(session.pod.clone());
        calls = 0;
    }
}

async fn sessions_follow_their_endpoints(mode: Mode) {
    let setup = Discovered::start(mode, App::Stateful, 4, &[0, 1, 2], unchanged).await;
    let mut setup = setup.expect("the set-up starts");
    let (http, origin) = (reqwest::Client::new(), setup.envoy.url(""));
    let mut sessions = Vec::new();
    for _ in 0..SESSIONS {
        sessions.push(setup.open(&http).await.expect("a session opens"));
    }
    let pods: BTreeSet<_> = sessions.iter().map(|session| session.pod.as_str()).collect();
    assert_eq!(pods, ["myserver-0", "myserver-1", "myserver-2"].into(), "{mode:?}");
    let [on_first, on_second] = ["myserver-0", "myserver-1"]
        .map(|pod| sessions.iter().filter(|session| session.pod == pod).count());

    let load = Arc::new(Load::default());
    let lanes: Vec<_> = sessions
        .into_iter()
        .map(|session| tokio::spawn(run(load.clone(), origin.clone(), session)))
        .collect();
    let called = |calls| {
        let load = load.clone();
        async move {
            let is_done = || async { (load.calls.load(Ordering::SeqCst) >= calls).then_some(()) };
            until("the calls", is_done).await;
        }
    };
    called(SESSIONS * CALLS).await;
    assert_eq!(load.lost.lock().unwrap().as_slice(), [] as [String; 0], "{mode:?}");

    // The first is removed, the second drains, and a fourth comes.
    load.gone.lock().unwrap().insert("myserver-0".to_owned());
    load.closed.lock().unwrap().extend(["myserver-0".to_owned(), "myserver-1".to_owned()]);
    let healthy = |ordinal| (ordinal, Health::Healthy);
    setup.publish(&[(1, Health::Draining), healthy(2), healthy(3)]).await;
    if mode == Mode::OriginalDst {
        // Nothing but its end tells this mode that a pod is gone.
        setup.pods.stop(0).await;
    }
    until("all sessions of the first to be answered", || async {
        (load.lost.lock().unwrap().len() == on_first).then_some(())
    })
    .await;
    let so_far = load.calls.load(Ordering::SeqCst);
    called(so_far + SESSIONS * CALLS).await;
    load.is_over.store(true, Ordering::SeqCst);
    for lane in lanes {
        lane.await.expect("no other call is lost");
    }

    let lost = load.lost.lock().unwrap().clone();
    assert!(lost.iter().all(|pod| pod == "myserver-0"), "{mode:?}: {lost:?}");
    let opened_again = load.opened_again.lock().unwrap().clone();
    let closed = load.closed.lock().unwrap().clone();
    let wrong: Vec<_> = opened_again.iter().filter(|pod| closed.contains(*pod)).collect();
    assert_eq!(wrong, [] as [&String; 0], "{mode:?}");
    assert!(opened_again.iter().any(|pod| pod == "myserver-3"), "{mode:?}: {opened_again:?}");
    assert!(on_second > 0, "{mode:?}: sessions of the draining one went on");
    let stays = ["store_failed", "evicted", "id_taken", "outside", "steering_refused"];
    for name in stays {
        assert_eq!(setup.envoy.counter(name).await, 0, "{mode:?}: {name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_follow_their_endpoints_with_stateful_session() {
    sessions_follow_their_endpoints(Mode::Endpoint).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_follow_their_endpoints_with_override_host() {
    sessions_follow_their_endpoints(Mode::OverrideHost).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_follow_their_endpoints_with_an_original_destination() {
    sessions_follow_their_endpoints(Mode::OriginalDst).await;
}

/// As an autoscaler does.
#[tokio::test(flavor = "multi_thread")]
async fn sessions_live_as_long_as_their_endpoints_while_these_are_scaled() {
    for mode in MODES {
        let setup = Discovered::start(mode, App::Stateful, 5, &[0, 1, 2], unchanged).await;
        let mut setup = setup.expect("the set-up starts");
        let (http, origin) = (reqwest::Client::new(), setup.envoy.url(""));
        let mut sessions = Vec::new();
        for scale in [3, 5] {
            let all: Vec<_> = (0..scale).map(|ordinal| (ordinal, Health::Healthy)).collect();
            setup.publish(&all).await;
            // Some are opened by a worker thread that has yet to hear of it.
            let mut pods = BTreeSet::new();
            while pods.len() < scale {
                let session = setup.open(&http).await.expect("a session opens");
                pods.insert(session.pod.clone());
                sessions.push(session);
            }
        }
        for session in &sessions {
            assert_eq!(session.count(&http, &origin).await.unwrap().status, 200, "{mode:?}");
        }
        setup.publish(&[(0, Health::Healthy), (1, Health::Healthy)]).await;
        for ordinal in 2..5 {
            setup.pods.stop(ordinal).await;
        }
        for session in &sessions {
            let got = session.count(&http, &origin).await.unwrap();
            match session.pod.as_str() {
                "myserver-0" | "myserver-1" => assert_eq!(got.status, 200, "{mode:?}"),
                _ => is_session_not_found(&got),
            }
        }
        for _ in 0..10 {
            let session = setup.open(&http).await.expect("a session opens");
            assert!(["myserver-0", "myserver-1"].contains(&session.pod.as_str()), "{mode:?}");
        }
    }
}
