//! A client that opens sessions.

use std::io::Write;
use std::time::Duration;

use anyhow::Result;
use rmcp::model::{
    CallToolRequestParams, ClientCapabilities, ClientConfig, CreateMessageRequestParams,
    CreateMessageResult, ElicitRequestParams, ElicitResult, ElicitationAction, Implementation,
    ProgressNotificationParam, ProtocolVersion, SamplingMessage,
};
use rmcp::service::{NotificationContext, RequestContext, RunningService};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use rmcp::{ClientHandler, ClientLifecycleMode, ClientServiceExt, ErrorData, RoleClient};
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tokio::time::timeout;

const TIMEOUT: Duration = Duration::from_secs(20);
/// For notifications of a call that has been answered.
const LATE: Duration = Duration::from_secs(2);

/// Reads an order a line, until there are no more.
pub(crate) fn run(runtime: &Runtime) -> Result<()> {
    let mut client = Client::default();
    for line in std::io::stdin().lines() {
        let order: Value = serde_json::from_str(&line?)?;
        let answer = runtime.block_on(async {
            match order["scripts"].as_array() {
                Some(scripts) => json!({"ok": true, "answers": together(scripts).await}),
                None => client.answer(&order).await,
            }
        });
        println!("{answer}");
        std::io::stdout().flush()?;
    }
    // Leaves what is open as it is, as a client that dies does.
    std::process::exit(0);
}

async fn together(scripts: &[Value]) -> Vec<Value> {
    let tasks: Vec<_> = scripts.iter().cloned().map(|it| tokio::spawn(in_turn(it))).collect();
    let mut answers = Vec::new();
    for task in tasks {
        answers.push(task.await.expect("a script is gone through").into());
    }
    answers
}

async fn in_turn(script: Value) -> Vec<Value> {
    let (mut client, mut answers) = (Client::default(), Vec::new());
    for order in script.as_array().into_iter().flatten() {
        answers.push(client.answer(order).await);
    }
    answers
}

/// With one session at most.
#[derive(Default)]
struct Client {
    session: Option<RunningService<RoleClient, Handler>>,
    steps: Option<mpsc::UnboundedReceiver<f64>>,
}

/// What went wrong: its class, and what it says.
struct Failure(String, String);

impl<E: std::fmt::Debug + std::fmt::Display> From<E> for Failure {
    fn from(error: E) -> Self {
        let class = format!("{error:?}");
        let class = class.split(|it: char| !it.is_alphanumeric()).next().unwrap_or_default();
        Self(class.to_owned(), error.to_string())
    }
}

impl Client {
    async fn answer(&mut self, order: &Value) -> Value {
        let done = match timeout(TIMEOUT, self.act(order)).await {
            Ok(done) => done,
            Err(_) => Err(Failure("TimeoutError".to_owned(), "no answer in time".to_owned())),
        };
        match done {
            Ok(mut answer) => {
                answer["ok"] = true.into();
                answer
            }
            Err(Failure(class, message)) => json!({
                "ok": false, "class": class, "status": null, "code": null, "message": message,
            }),
        }
    }

    async fn act(&mut self, order: &Value) -> Result<Value, Failure> {
        let op = order["op"].as_str().unwrap_or_default();
        if op == "connect" {
            self.connect(order["url"].as_str().unwrap_or_default()).await?;
            return Ok(json!({}));
        }
        let Some(session) = &self.session else {
            return Err(Failure("NotConnected".to_owned(), "connect first".to_owned()));
        };
        match op {
            "call" => self.call(order).await,
            "tools" => {
                let tools = session.list_all_tools().await?;
                let mut names: Vec<_> = tools.into_iter().map(|tool| tool.name).collect();
                names.sort();
                Ok(json!({"tools": names}))
            }
            "ping" => {
                let ping = rmcp::model::ClientRequest::PingRequest(Default::default());
                session.send_request(ping).await?;
                Ok(json!({}))
            }
            // The SDK does not tell it.
            "session" => Ok(json!({"session": null})),
            "close" => {
                if let Some(session) = self.session.take() {
                    session.cancel().await?;
                }
                Ok(json!({}))
            }
            _ => Err(Failure("NoSuchOrder".to_owned(), op.to_owned())),
        }
    }

    async fn connect(&mut self, url: &str) -> Result<(), Failure> {
        self.session = None;
        let config = StreamableHttpClientTransportConfig::with_uri(url);
        let transport = StreamableHttpClientTransport::with_client(reqwest::Client::new(), config);
        let (steps, told) = mpsc::unbounded_channel();
        let session = Handler { steps }
            .serve_with_lifecycle(transport, ClientLifecycleMode::Initialize)
            .await?;
        (self.session, self.steps) = (Some(session), Some(told));
        Ok(())
    }

    async fn call(&mut self, order: &Value) -> Result<Value, Failure> {
        let (Some(session), Some(told)) = (&self.session, &mut self.steps) else {
            return Err(Failure("NotConnected".to_owned(), "connect first".to_owned()));
        };
        let name = order["name"].as_str().unwrap_or_default().to_owned();
        let arguments = order["arguments"].as_object().cloned().unwrap_or_default();
        let request = CallToolRequestParams::new(name).with_arguments(arguments);
        let result = serde_json::to_value(session.call_tool(request).await?)?;
        let texts = result["content"].as_array().into_iter().flatten();
        let text: String = texts.filter_map(|block| block["text"].as_str()).collect();
        if result["isError"] == true {
            return Err(Failure("ToolError".to_owned(), text));
        }
        // Servers wrap so what is no object.
        let structured = result.get("structuredContent");
        let wrapped = structured.map(|it| it.get("result").unwrap_or(it).clone());
        let mut answer = json!({"result": wrapped.unwrap_or(text.into())});
        if let Some(wanted) = order["progress"].as_u64() {
            let mut steps = Vec::new();
            while steps.len() < usize::try_from(wanted)? {
                let Ok(Some(step)) = timeout(LATE, told.recv()).await else { break };
                steps.push(step);
            }
            answer["progress"] = steps.into();
        }
        Ok(answer)
    }
}

struct Handler {
    steps: mpsc::UnboundedSender<f64>,
}

impl ClientHandler for Handler {
    fn get_info(&self) -> ClientConfig {
        let capabilities =
            ClientCapabilities::builder().enable_sampling().enable_elicitation().build();
        // The latest version that has sessions.
        ClientConfig::new(capabilities, Implementation::new("interop", "1"))
            .with_protocol_version(ProtocolVersion::V_2025_11_25)
    }

    async fn create_message(
        &self,
        params: CreateMessageRequestParams,
        _: RequestContext<RoleClient>,
    ) -> Result<CreateMessageResult, ErrorData> {
        let asked = json!(params.messages.last());
        let text = asked["content"]["text"].as_str().unwrap_or_default();
        let said = SamplingMessage::assistant_text(format!("sampled: {text}"));
        Ok(CreateMessageResult::new(said, "interop".to_owned()))
    }

    async fn create_elicitation(
        &self,
        _: ElicitRequestParams,
        _: RequestContext<RoleClient>,
    ) -> Result<ElicitResult, ErrorData> {
        Ok(ElicitResult::new(ElicitationAction::Accept).with_content(json!({"name": "Ada"})))
    }

    async fn on_progress(
        &self,
        params: ProgressNotificationParam,
        _: NotificationContext<RoleClient>,
    ) {
        // Nobody may be waiting for it.
        let _ = self.steps.send(params.progress);
    }
}
