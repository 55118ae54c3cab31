//! A server whose only tool is a task that the SDK keeps in memory: `greet` asks the client for a name.

use std::io::Write;
use std::sync::Arc;

use anyhow::Result;
use axum::Router;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, CancelTaskParams, ContentBlock,
    CreateTaskResult, GetTaskParams, GetTaskResult, InputRequest, ServerCapabilities, ServerConfig,
    UpdateTaskParams,
};
use rmcp::service::RequestContext;
use rmcp::task_manager::{TaskContext, TaskExit, TaskManager, TaskOptions};
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{ErrorData, RoleServer, ServerHandler};
use serde_json::json;

/// Serves until the process is ended.
pub(crate) async fn run(host: &str, port: u16) -> Result<()> {
    let tasks = TaskManager::new();
    let service = StreamableHttpService::new(
        move || Ok(Server { tasks: tasks.clone() }),
        Arc::<LocalSessionManager>::default(),
        StreamableHttpServerConfig::default().disable_allowed_hosts(),
    );
    let listener = tokio::net::TcpListener::bind((host, port)).await?;
    println!("ready");
    std::io::stdout().flush()?;
    axum::serve(listener, Router::new().nest_service("/mcp", service)).await?;
    Ok(())
}

struct Server {
    tasks: TaskManager,
}

impl ServerHandler for Server {
    async fn call_tool(
        &self,
        _: CallToolRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let task = self.tasks.spawn(TaskOptions::new(), |context| Box::pin(greet(context)));
        Ok(CreateTaskResult::new(task).into())
    }

    async fn get_task(
        &self,
        asked: GetTaskParams,
        _: RequestContext<RoleServer>,
    ) -> Result<GetTaskResult, ErrorData> {
        self.tasks.get_task(&asked.task_id).map(GetTaskResult::new)
    }

    async fn update_task(
        &self,
        asked: UpdateTaskParams,
        _: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        self.tasks.update_task(&asked.task_id, asked.input_responses)
    }

    async fn cancel_task(
        &self,
        asked: CancelTaskParams,
        _: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        self.tasks.cancel_task(&asked.task_id)
    }

    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().enable_tasks().build())
    }
}

async fn greet(context: TaskContext) -> Result<CallToolResult, TaskExit> {
    let schema = json!({"type": "object", "properties": {"name": {"type": "string"}}});
    let params = json!({"message": "Who is there?", "requestedSchema": schema});
    let asked = json!({"method": "elicitation/create", "params": params});
    let asked: InputRequest = serde_json::from_value(asked)
        .map_err(|error| ErrorData::internal_error(error.to_string(), None))?;
    let said = context.request_input("name", asked).await?;
    let name = said["content"]["name"].as_str().unwrap_or_default();
    Ok(CallToolResult::success(vec![ContentBlock::text(format!("hello {name}"))]))
}
