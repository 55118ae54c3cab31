//! Streams that break and are resumed, byte by byte: what servers keep for a client that comes back.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use kit::client::Ask;
use kit::interop::{Server, Transport};
use kit::wait::{until, within};
use reqwest::{Client, Response};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::Cluster;
use crate::script::{Feature, STEPS, tool};

/// A stream on which nothing comes for so long has said what it had to.
const QUIET: Duration = Duration::from_millis(300);

/// The id of the request whose stream breaks.
const CALL: u32 = 77;

/// What a client finds that resumes the stream of a call, and the one of its session: the same through
/// Podpin as straight at a pod, and nothing is lost. Tells how this goes in the table.
pub(crate) async fn resumed_alike(cluster: &Cluster, straight: &str) -> Result<String> {
    if cluster.transport == Transport::Sse {
        return Ok("–".to_owned());
    }
    let through = cluster.envoy.url("");
    let mut signs = Vec::new();
    // A response that is one message is no stream.
    if cluster.transport != Transport::Json {
        let alone = resumed_call(straight, cluster.server).await?;
        is_told_up_to(STEPS, &alone)?;
        let got = resumed_call(&through, cluster.server).await?;
        ensure!(got == alone, "{:?} by hand: {got:?}, not {alone:?}", cluster.server);
        signs.push("call");
    }
    if cluster.server != Server::Everything {
        let alone = resumed_stream(straight).await?;
        is_told_up_to(3, &alone)?;
        let got = resumed_stream(&through).await?;
        ensure!(got == alone, "{:?} by hand: {got:?}, not {alone:?}", cluster.server);
        signs.push("GET");
    }
    Ok(signs.join(", "))
}

/// All steps but the first came. The server in Rust also sends that once more.
fn is_told_up_to(last: usize, messages: &[Value]) -> Result<()> {
    let steps = messages.iter().filter_map(|message| message["params"]["progress"].as_f64());
    let wanted: Vec<_> = (2..=last).map(|step| step as f64).collect();
    ensure!(steps.collect::<Vec<_>>().ends_with(&wanted), "{messages:?}, not {wanted:?}");
    Ok(())
}

/// Breaks the stream of a call after its first notification. What comes of resuming it.
async fn resumed_call(origin: &str, server: Server) -> Result<Vec<Value>> {
    let session = Session::open(origin).await?;
    let (name, arguments) = tool(server, Feature::Progress);
    let call = Ask::post(json!({
        "jsonrpc": "2.0", "id": CALL, "method": "tools/call",
        "params": {"name": name, "arguments": arguments, "_meta": {"progressToken": "t"}},
    }));
    let mut response = session.send(call).await?;
    let first = within("a notification", first_event(&mut response)).await?;
    drop(response);
    let is_over = |events: &[Event]| events.iter().any(|event| event.message["id"] == CALL);
    let rest = session.resumed_from(&first, is_over).await;
    let is_ours =
        |message: &Value| message["id"] == CALL || message["params"]["progressToken"] == "t";
    Ok(rest.into_iter().map(|event| event.message).filter(is_ours).collect())
}

/// Breaks the stream of a session, and has two more things said on it before it is resumed.
async fn resumed_stream(origin: &str) -> Result<Vec<Value>> {
    let session = Session::open(origin).await?;
    let mut stream = session.send(Ask::get()).await?;
    session.announce(1).await?;
    let first = within("an event", first_event(&mut stream)).await?;
    drop(stream);
    session.announce(2).await?;
    session.announce(3).await?;
    let is_last = |event: &Event| event.message["params"]["progress"].as_f64() == Some(3.0);
    let rest = session.resumed_from(&first, |events| events.iter().any(is_last)).await;
    Ok(rest.into_iter().map(|event| event.message).collect())
}

struct Session<'a> {
    origin: &'a str,
    id: String,
    http: Client,
}

impl<'a> Session<'a> {
    async fn open(origin: &'a str) -> Result<Self> {
        let http = Client::new();
        let response = Ask::initialize().send(&http, origin).await?;
        let id = response.headers().get("mcp-session-id").context("no session")?;
        let session = Self { origin, id: id.to_str()?.to_owned(), http };
        let initialized = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
        ensure!(session.send(Ask::post(initialized)).await?.status() == 202);
        Ok(session)
    }

    async fn send(&self, ask: Ask) -> Result<Response> {
        let ask = ask.session(&self.id).header("mcp-protocol-version", "2025-06-18");
        ask.send(&self.http, self.origin).await
    }

    async fn announce(&self, step: u32) -> Result<()> {
        let call = Ask::post(json!({
            "jsonrpc": "2.0", "id": step, "method": "tools/call",
            "params": {"name": "announce", "arguments": {"step": step}},
        }));
        let response = self.send(call).await?;
        let text = within("a result", response.text()).await?;
        ensure!(text.contains("announced"), "{text}");
        Ok(())
    }

    /// Asks for what came after an event until that is everything: the server may not know yet that the
    /// stream is broken, and may not have said all.
    async fn resumed_from(&self, last: &Event, is_all: impl Fn(&[Event]) -> bool) -> Vec<Event> {
        until("the rest of a stream", || async {
            let ask = Ask::get().header("last-event-id", &last.id);
            let mut response = self.send(ask).await.ok()?;
            let mut text = String::new();
            loop {
                let events = events(&text);
                if is_all(&events) {
                    return Some(events);
                }
                let piece = timeout(QUIET, response.chunk()).await.ok()?.ok()??;
                text.push_str(&String::from_utf8_lossy(&piece));
            }
        })
        .await
    }
}

#[derive(Debug)]
struct Event {
    id: String,
    message: Value,
}

/// The first that has an id and says something.
async fn first_event(response: &mut Response) -> Result<Event> {
    let mut text = String::new();
    loop {
        if let Some(event) = events(&text).into_iter().find(|event| !event.id.is_empty()) {
            return Ok(event);
        }
        let piece = response.chunk().await?.with_context(|| format!("an end after {text:?}"))?;
        text.push_str(&String::from_utf8_lossy(&piece));
    }
}

/// The whole events in a part of a stream that have a message.
fn events(text: &str) -> Vec<Event> {
    let text = text.replace("\r\n", "\n");
    let whole = text.rsplit_once("\n\n").map_or("", |(whole, _)| whole);
    let events = whole.split("\n\n").filter_map(|event| {
        let field = |name| event.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        let message = serde_json::from_str(field("data:")?).ok()?;
        Some(Event { id: field("id:").unwrap_or_default().to_owned(), message })
    });
    events.collect()
}
