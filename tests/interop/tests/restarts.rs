//! Pods that are killed and come back without their sessions: every client is told at its first request
//! after that, in the one way that all understand, whatever the server says.

use std::sync::atomic::Ordering;
use std::time::Instant;

use kit::client::{Ask, Got};
use kit::dns::pod_ip;
use kit::interop::{Server, Transport};
use kit::mode::Mode;
use kit::scenarios::is_session_not_found;
use kit::wait::until;
use serde_json::json;

use crate::Cluster;

/// A session, and the ordinal of its pod.
struct Session {
    id: String,
    pod: usize,
}

async fn send(cluster: &Cluster, http: &reqwest::Client, ask: Ask) -> Got {
    cluster.sent.fetch_add(1, Ordering::Relaxed);
    got(ask, http.clone(), cluster.envoy.url("")).await
}

async fn got(ask: Ask, http: reqwest::Client, url: String) -> Got {
    let response = ask.send(&http, &url).await.expect("a response");
    let (status, headers) = (response.status(), response.headers().clone());
    let body = response.bytes().await.expect("a body").to_vec();
    Got { status, headers, body, pod: None }
}

/// Opens a session. The access log tells its pod.
async fn open(cluster: &Cluster, http: &reqwest::Client) -> Option<Session> {
    let before = cluster.sent.load(Ordering::Relaxed);
    let got = send(cluster, http, Ask::initialize()).await;
    let id = got.header("mcp-session-id")?.to_owned();
    let initialized = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
    assert_eq!(send(cluster, http, Ask::post(initialized).session(&id)).await.status, 202);
    let line = until("the access log", || async {
        cluster.envoy.access_log().lines().nth(before).map(str::to_owned)
    })
    .await;
    let upstream = line.split("upstream=").nth(1).expect("an upstream");
    let is_it = |ip: &std::net::Ipv4Addr| upstream == format!("{ip}:{}", cluster.port);
    Some(Session { id, pod: cluster.ips.iter().position(is_it).expect("a pod") })
}

/// A request that every server answers without ado.
fn list(session: &Session) -> Ask {
    let message = json!({"jsonrpc": "2.0", "id": 7, "method": "tools/list"});
    Ask::post(message).session(&session.id)
}

async fn each_pod_restarted(mode: Mode, server: Server) {
    let cluster = Cluster::start(mode, server, Transport::StreamableHttp, |example| {
        example.plugin(|plugin| plugin["placement"] = json!({"eject": "1s"}))
    });
    let mut cluster = cluster.await.expect("the set-up starts");
    let http = reqwest::Client::new();
    let mut sessions = Vec::new();
    let mut told = 0;
    for moves in [false, true] {
        for ordinal in 0..3 {
            while sessions.len() < 30 {
                sessions.extend(open(&cluster, &http).await);
            }
            cluster.kill(ordinal);
            let ip = if moves { pod_ip(ordinal + 3) } else { cluster.ips[ordinal] };
            cluster.start_again(ordinal, ip).await;
            let start = Instant::now();
            // All at once.
            let asked = sessions.iter().map(|session| {
                cluster.sent.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(got(list(session), http.clone(), cluster.envoy.url("")))
            });
            let asked: Vec<_> = asked.collect();
            let mut lost = 0;
            for (session, asked) in sessions.iter().zip(asked) {
                let got = asked.await.expect("a response");
                if session.pod == ordinal {
                    is_session_not_found(&got);
                    lost += 1;
                } else {
                    assert_eq!(got.status, 200, "{got:?}");
                }
            }
            println!(
                "{server:?}, {mode:?}: {lost} sessions of pod {ordinal} were told in {:?}",
                start.elapsed()
            );
            told += lost;
            sessions.retain(|session| session.pod != ordinal);
        }
    }
    assert!(told >= 30, "{told}");
    // All is as it was before.
    for session in &sessions {
        assert_eq!(send(&cluster, &http, list(session)).await.status, 200);
    }
}

macro_rules! restarts {
    ($($name:ident: $server:ident, $mode:ident;)*) => { $(
        #[tokio::test(flavor = "multi_thread")]
        async fn $name() {
            each_pod_restarted(Mode::$mode, Server::$server).await;
        }
    )* };
}

restarts! {
    python_1_by_authority: Python1, Authority;
    python_2_by_authority: Python2, Authority;
    everything_by_authority: Everything, Authority;
    everything_by_dynamic_host: Everything, DynamicHost;
    everything_by_endpoint: Everything, Endpoint;
    python_2_by_override_host: Python2, OverrideHost;
    everything_by_original_dst: Everything, OriginalDst;
}
