//! MCP clients: the SDK's, and one that sends whatever it is told.

use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use rmcp::model::{CallToolRequestParams, CustomNotification};
use rmcp::service::{NotificationContext, RunningService};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use rmcp::{ClientHandler, ClientLifecycleMode, ClientServiceExt, RoleClient};
use serde_json::{Value, json};
use tokio::sync::mpsc;

/// A session of a real MCP client. It does not open a new session in secret when it loses this one.
pub struct Session {
    service: RunningService<RoleClient, Handler>,
    /// Texts of the notifications that came.
    pub notifications: mpsc::UnboundedReceiver<String>,
}

struct Handler(mpsc::UnboundedSender<String>);

impl ClientHandler for Handler {
    async fn on_custom_notification(
        &self,
        notification: CustomNotification,
        _: NotificationContext<RoleClient>,
    ) {
        let text = notification.params.and_then(|params| Some(params["text"].as_str()?.to_owned()));
        // Nobody may be listening any more.
        let _ = self.0.send(text.unwrap_or_default());
    }
}

impl Session {
    /// Opens a session at `url` through `http`.
    pub async fn open(http: reqwest::Client, url: &str) -> Result<Self> {
        let config =
            StreamableHttpClientTransportConfig::with_uri(url).reinit_on_expired_session(false);
        let transport = StreamableHttpClientTransport::with_client(http, config);
        let (notify, notifications) = mpsc::unbounded_channel();
        let service = Handler(notify)
            .serve_with_lifecycle(transport, ClientLifecycleMode::Initialize)
            .await
            .context("initialize")?;
        Ok(Self { service, notifications })
    }

    /// Calls a tool that answers with one text.
    pub async fn call(&self, tool: &'static str, arguments: Value) -> Result<String> {
        let arguments = arguments.as_object().cloned().unwrap_or_default();
        let request = CallToolRequestParams::new(tool).with_arguments(arguments);
        let result = self.service.call_tool(request).await?;
        let text = result.content.first().and_then(|content| content.as_text());
        Ok(text.context("no text")?.text.clone())
    }

    /// The next number that the session's server counts to.
    pub async fn count(&self) -> Result<u32> {
        Ok(self.call("count", json!({})).await?.parse()?)
    }

    /// The pod that holds the session.
    pub async fn pod(&self) -> Result<String> {
        self.call("whoami", json!({})).await
    }

    /// Ends the session.
    pub async fn close(self) -> Result<()> {
        self.service.cancel().await?;
        Ok(())
    }
}

/// A request, byte for byte.
#[derive(Clone, Debug)]
pub struct Ask {
    pub method: Method,
    pub path: String,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Ask {
    pub fn new(method: Method, body: impl Into<Vec<u8>>) -> Self {
        let headers = HeaderMap::new();
        Self { method, path: "/mcp".to_owned(), headers, body: body.into() }
            .header("accept", "application/json, text/event-stream")
    }

    /// A JSON-RPC message.
    pub fn post(message: Value) -> Self {
        Self::new(Method::POST, message.to_string()).header("content-type", "application/json")
    }

    /// The request that opens a session.
    pub fn initialize() -> Self {
        Self::post(json!({
            "jsonrpc": "2.0", "id": 0, "method": "initialize",
            "params": {
                "protocolVersion": "2025-06-18", "capabilities": {},
                "clientInfo": {"name": "podpin-tests", "version": "0"},
            },
        }))
    }

    /// A call of a tool without arguments.
    pub fn tool(name: &str) -> Self {
        // A session may have only one request of an id at a time.
        static ID: AtomicU32 = AtomicU32::new(1);
        let id = ID.fetch_add(1, Ordering::Relaxed);
        let params = json!({"name": name, "arguments": {}});
        Self::post(json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params}))
    }

    pub fn get() -> Self {
        Self::new(Method::GET, "")
    }

    pub fn delete() -> Self {
        Self::new(Method::DELETE, "")
    }

    pub fn at(self, path: &str) -> Self {
        Self { path: path.to_owned(), ..self }
    }

    /// Adds a header; a second one of the same name stays beside the first.
    pub fn header(mut self, name: &'static str, value: impl AsRef<[u8]>) -> Self {
        let value = HeaderValue::from_bytes(value.as_ref()).expect("a header value");
        self.headers.append(HeaderName::from_static(name), value);
        self
    }

    pub fn session(self, id: impl AsRef<[u8]>) -> Self {
        self.header("mcp-session-id", id)
    }

    /// Sends it and waits for the head of the response.
    pub async fn send(self, http: &reqwest::Client, origin: &str) -> Result<reqwest::Response> {
        let url = format!("{origin}{}", self.path);
        let request = http.request(self.method, url).headers(self.headers).body(self.body);
        Ok(request.send().await?)
    }
}

/// What came back, and who was asked.
#[derive(Clone, Debug)]
pub struct Got {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
    /// The pod that saw the request, and how it saw it; none if it was not forwarded.
    pub pod: Option<(usize, crate::pods::Seen)>,
}

impl Got {
    /// The ordinal of the pod that saw the request.
    pub fn ordinal(&self) -> usize {
        self.pod.as_ref().expect("the request reached a pod").0
    }

    /// A header, if it is there and text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The JSON-RPC message in the body: all of it, or the last event with data.
    pub fn message(&self) -> Value {
        let text = String::from_utf8_lossy(&self.body);
        let mut events = text.lines().filter_map(|line| line.strip_prefix("data:"));
        let data = events.rfind(|data| !data.trim().is_empty());
        let message = serde_json::from_str(data.unwrap_or(&text));
        message.unwrap_or_else(|_| panic!("no JSON-RPC message in {text:?}"))
    }

    /// The text that a tool answered.
    pub fn text(&self) -> String {
        let message = self.message();
        let text = message["result"]["content"][0]["text"].as_str();
        text.unwrap_or_else(|| panic!("no text in {message}")).to_owned()
    }
}
