//! A server with the tools that `tests/interop/README.md` lists.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Result;
use axum::Router;
use rmcp::handler::server::router::tool::ToolRouter;
use rmcp::handler::server::wrapper::Parameters;
use rmcp::model::{
    CallToolResult, ClientResult, ContentBlock, CreateMessageRequestParams, ElicitRequest,
    ElicitRequestParams, ElicitationSchema, NumberOrString, ProgressNotificationParam,
    ProgressToken, ProtocolVersion, SamplingMessage, ServerCapabilities, ServerConfig,
    ServerRequest,
};
use rmcp::service::RequestContext;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{ErrorData, RoleServer, ServerHandler, schemars, tool, tool_handler, tool_router};

/// Serves until the process is ended.
pub(crate) async fn run(host: &str, port: u16) -> Result<()> {
    let service = StreamableHttpService::new(
        || Ok(Server::new()),
        Arc::<LocalSessionManager>::default(),
        StreamableHttpServerConfig::default().disable_allowed_hosts(),
    );
    let listener = tokio::net::TcpListener::bind((host, port)).await?;
    println!("ready");
    std::io::stdout().flush()?;
    axum::serve(listener, Router::new().nest_service("/mcp", service)).await?;
    Ok(())
}

/// One for each session.
#[derive(Clone)]
struct Server {
    counts: Arc<Mutex<HashMap<String, u32>>>,
    #[expect(dead_code, reason = "the SDK's macro reads it")]
    tool_router: ToolRouter<Self>,
}

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Key {
    key: String,
}

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Steps {
    steps: u32,
}

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Step {
    step: u32,
}

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Text {
    text: String,
}

/// A result that clients know as a number or a text.
fn result(value: impl Into<serde_json::Value>) -> CallToolResult {
    CallToolResult::structured(serde_json::json!({"result": value.into()}))
}

fn failed(error: impl std::fmt::Display) -> ErrorData {
    ErrorData::internal_error(error.to_string(), None)
}

#[tool_router]
impl Server {
    fn new() -> Self {
        Self { counts: Arc::default(), tool_router: Self::tool_router() }
    }

    #[tool(description = "Counts how often the session that asks has said this key")]
    fn bump(&self, Parameters(Key { key }): Parameters<Key>) -> CallToolResult {
        let mut counts = self.counts.lock().unwrap();
        let count = counts.entry(key).or_default();
        *count += 1;
        result(*count)
    }

    #[tool(description = "Tells which process answers")]
    fn pid(&self) -> CallToolResult {
        result(std::process::id())
    }

    #[tool(description = "Tells of so many steps before it answers")]
    async fn progress(
        &self,
        Parameters(Steps { steps }): Parameters<Steps>,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResult, ErrorData> {
        for step in 1..=steps {
            if let Some(token) = context.meta.get_progress_token() {
                let step = ProgressNotificationParam::new(token, step.into());
                let step = step.with_total(steps.into());
                context.peer.notify_progress(step).await.map_err(failed)?;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(result(format!("{steps} steps")))
    }

    #[tool(description = "Has the client's model say something to a text")]
    async fn sample(
        &self,
        Parameters(Text { text }): Parameters<Text>,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResult, ErrorData> {
        let params = CreateMessageRequestParams::new(vec![SamplingMessage::user_text(text)], 10);
        let said = context.peer.create_message(params).await.map_err(failed)?;
        let said = serde_json::to_value(said.message).map_err(failed)?;
        Ok(result(said["content"]["text"].clone()))
    }

    #[tool(description = "Asks the client's user for a name")]
    async fn elicit(
        &self,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResult, ErrorData> {
        let schema = ElicitationSchema::builder().required_string("name").build();
        let params = ElicitRequestParams::FormElicitationParams {
            meta: None,
            message: "Who is there?".to_owned(),
            requested_schema: schema.map_err(failed)?,
        };
        let request = ServerRequest::ElicitRequest(ElicitRequest::new(params));
        match context.peer.send_request(request).await.map_err(failed)? {
            ClientResult::ElicitResult(said) => {
                Ok(result(said.content.unwrap_or_default()["name"].clone()))
            }
            other => Ok(CallToolResult::error(vec![ContentBlock::text(format!("{other:?}"))])),
        }
    }

    #[tool(
        description = "Tells of a step on the stream of the session, which is that of no request"
    )]
    async fn announce(
        &self,
        Parameters(Step { step }): Parameters<Step>,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResult, ErrorData> {
        let token = ProgressToken(NumberOrString::String("announced".into()));
        let step = ProgressNotificationParam::new(token, step.into());
        context.peer.notify_progress(step).await.map_err(failed)?;
        Ok(result("announced"))
    }
}

#[tool_handler]
impl ServerHandler for Server {
    /// Those with sessions.
    fn supported_protocol_versions(&self) -> Cow<'static, [ProtocolVersion]> {
        ProtocolVersion::known_up_to(&ProtocolVersion::V_2025_11_25).into()
    }

    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
    }
}
