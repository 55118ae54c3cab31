//! Connections that are reset, by a pod or by a client, at each point of an exchange.

use kit::client::{Ask, Got};
use kit::dialects::{BEGUN, BREAK, STREAM, WAIT};
use kit::mode::Mode;
use kit::pods::App;
use kit::scenarios::is_session_not_found;
use kit::setup::{Setup, patient};
use kit::wait::{until, within};
use reqwest::Response;
use serde_json::json;

/// A client with a session.
struct Client {
    http: reqwest::Client,
    url: String,
    session: String,
    ordinal: usize,
}

impl Client {
    async fn open(setup: &Setup) -> Self {
        let (http, url) = (reqwest::Client::new(), setup.envoy.url(""));
        setup.pods.take_seen();
        let opened = Ask::initialize().send(&http, &url).await.expect("a response");
        let session = opened.headers()["mcp-session-id"].to_str().expect("an id").to_owned();
        let (ordinal, _) = setup.pods.take_seen().pop().expect("a pod");
        Self { http, url, session, ordinal }
    }

    fn ask(&self, method: &str) -> impl Future<Output = anyhow::Result<Response>> + use<> {
        let message = json!({"jsonrpc": "2.0", "id": 1, "method": method});
        let ask = Ask::post(message).session(&self.session);
        let (http, url) = (self.http.clone(), self.url.clone());
        async move { ask.send(&http, &url).await }
    }

    /// An answer of which the beginning has come.
    async fn begin(&self, method: &str) -> Response {
        let mut response = self.ask(method).await.expect("a response");
        assert_eq!(response.status(), 200);
        let begun = within("a beginning", response.chunk()).await.expect("bytes");
        assert_eq!(begun.as_deref(), Some(BEGUN.as_bytes()));
        response
    }

    async fn is_served(&self, setup: &Setup) {
        setup.pods.take_seen();
        let response = self.ask("tools/list").await.expect("a response");
        assert_eq!(response.status(), 200);
        let seen = setup.pods.take_seen().into_iter();
        let it = seen.rev().find(|(_, seen)| seen.body.ends_with(b"\"tools/list\"}"));
        assert_eq!(it.map(|(pod, _)| pod), Some(self.ordinal));
    }

    async fn is_lost(&self) {
        lost(self.ask("tools/list").await.expect("a response")).await;
    }
}

async fn lost(response: Response) {
    let (status, headers) = (response.status(), response.headers().clone());
    let body = response.bytes().await.expect("a body").to_vec();
    is_session_not_found(&Got { status, headers, body, pod: None });
}

/// Waits until a pod has seen a request with this in its body.
async fn seen(setup: &Setup, method: &str) {
    until("the request to reach its pod", || async {
        let mut seen = setup.pods.take_seen().into_iter();
        seen.any(|(_, seen)| String::from_utf8_lossy(&seen.body).contains(method)).then_some(())
    })
    .await;
}

async fn resets_in(mode: Mode) {
    let change = |example: kit::bootstrap::Bootstrap| example.plugin(patient);
    let mut setup = Setup::start(mode.example(), App::Dialects, change).await.expect("a set-up");
    let client = Client::open(&setup).await;

    // By the client: while it waits, while an answer comes, and while it still sends.
    let waiting = tokio::spawn(client.ask(WAIT));
    seen(&setup, WAIT).await;
    waiting.abort();
    client.is_served(&setup).await;
    drop(client.begin(STREAM).await);
    client.is_served(&setup).await;
    half_a_request(&client).await;
    client.is_served(&setup).await;

    // By the pod, in the middle of an answer: it goes on, and so does the session.
    let broken = client.begin(STREAM).await;
    assert_eq!(client.ask(BREAK).await.expect("a response").status(), 200);
    broken.bytes().await.expect_err("the pod broke off");
    client.is_served(&setup).await;
    assert_eq!(setup.envoy.counter("lost").await, 0);

    // By a pod that is no more: before it answers, in the middle of an answer, and before it is asked.
    let streaming = client.begin(STREAM).await;
    let waiting = tokio::spawn(client.ask(WAIT));
    seen(&setup, WAIT).await;
    setup.pods.stop(client.ordinal).await;
    lost(within("an answer", waiting).await.expect("no panic").expect("a response")).await;
    within("the end", streaming.bytes()).await.expect_err("the pod is gone");
    client.is_lost().await;
    setup.pods.start_again(client.ordinal).expect("the pod comes back");
    client.is_lost().await;
    let other = Client::open(&setup).await;
    other.is_served(&setup).await;
}

/// Says less than it said that it would, and leaves.
async fn half_a_request(client: &Client) {
    let address = client.url.strip_prefix("http://").expect("an address").parse();
    let mut wire = kit::wire::Wire::to(address.expect("an address")).await.expect("a connection");
    let session = &client.session;
    let head = format!(
        "POST /mcp HTTP/1.1\r\nhost: mcp.example\r\nmcp-session-id: {session}\r\n\
         content-type: application/json\r\ncontent-length: 1000\r\n\r\n{{"
    );
    wire.send(head).await.expect("half a request");
}

macro_rules! each_mode {
    ($($name:ident: $mode:ident),*) => { $(
        #[tokio::test(flavor = "multi_thread")]
        async fn $name() {
            resets_in(Mode::$mode).await;
        }
    )* };
}

each_mode! {
    authority: Authority, dynamic_host: DynamicHost, endpoint: Endpoint, override_host: OverrideHost,
    original_dst: OriginalDst
}
