//! What Envoy Gateway makes of `gateway/example/native.yaml`, in a real Envoy.

use kit::discovered::{Discovered, Health};
use kit::pods::App;
use kit::scenarios::is_session_not_found;
use kit::wait::until;

/// Strictly so: no other endpoint sees a request of a session whose own is gone.
#[tokio::test(flavor = "multi_thread")]
async fn a_gateways_sessions_stay_on_their_endpoints_and_end_with_them() {
    let setup = Discovered::in_gateway_natively(App::Stateful, 3).await.expect("the set-up starts");
    let (http, origin) = (reqwest::Client::new(), setup.envoy.url(""));
    let mut sessions = Vec::new();
    for _ in 0..12 {
        sessions.push(setup.open(&http).await.expect("a session"));
    }
    for session in sessions.iter().cycle().take(60) {
        assert_eq!(session.count(&http, &origin).await.unwrap().status, 200);
    }
    setup.publish(&[(1, Health::Healthy), (2, Health::Healthy)]).await;
    let (gone, stayed): (Vec<_>, Vec<_>) =
        sessions.iter().partition(|session| session.pod == "myserver-0");
    assert!(!gone.is_empty() && !stayed.is_empty());
    for session in gone {
        until("each worker to hear of it", || async {
            (session.count(&http, &origin).await.unwrap().status == 404).then_some(())
        })
        .await;
        is_session_not_found(&session.count(&http, &origin).await.unwrap());
    }
    for session in stayed {
        assert_eq!(session.count(&http, &origin).await.unwrap().status, 200);
    }
    assert_eq!(setup.envoy.counter("strayed").await, 0);
}
