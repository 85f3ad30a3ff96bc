//! The demo's agent: an MCP client that knows nothing of approvals, around a wrapped server.

use rmcp::model::{
    CallToolRequestParams, CallToolResult, ClientCapabilities, ClientConfig, Implementation, ProgressNotificationParam,
};
use rmcp::service::{NotificationContext, RunningService};
use rmcp::transport::TokioChildProcess;
use rmcp::{ClientHandler, RoleClient, ServiceExt as _};
use serde_json::{Map, Value};
use tokio::process::Command;
use tokio::sync::mpsc;

/// A connected agent.
pub struct Agent {
    service: RunningService<RoleClient, Handler>,
}

/// What a call came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The text that the model gets.
    pub text: String,
    /// Whether the call failed.
    pub is_error: bool,
    /// Why the shim refused it: `rejected`, `timed_out` and so on; `None` when the server answered.
    pub refused: Option<String>,
}

/// Passes on what is said while a call runs.
struct Handler {
    messages: mpsc::UnboundedSender<String>,
}

impl ClientHandler for Handler {
    fn get_info(&self) -> ClientConfig {
        let name = Implementation::new("hitl-demo-agent", env!("CARGO_PKG_VERSION"));
        ClientConfig::new(ClientCapabilities::default(), name)
    }

    async fn on_progress(&self, progress: ProgressNotificationParam, _: NotificationContext<RoleClient>) {
        // Nobody listens any more when the demo is over.
        let _ = self.messages.send(progress.message.unwrap_or_default());
    }
}

impl Agent {
    /// Starts `command` and introduces itself; what is said while calls run goes to `messages`.
    pub async fn start(command: Command, messages: mpsc::UnboundedSender<String>) -> anyhow::Result<Self> {
        Ok(Self { service: Handler { messages }.serve(TokioChildProcess::new(command)?).await? })
    }

    /// The names of the server's tools.
    pub async fn tools(&self) -> anyhow::Result<Vec<String>> {
        let tools = self.service.list_all_tools().await?;
        Ok(tools.into_iter().map(|tool| tool.name.into_owned()).collect())
    }

    /// Calls a tool and waits, however long it takes.
    pub async fn call(&self, tool: &str, arguments: Map<String, Value>) -> anyhow::Result<Outcome> {
        let call = CallToolRequestParams::new(tool.to_owned()).with_arguments(arguments);
        Ok(outcome(&self.service.call_tool(call).await?))
    }

    /// Ends the server and the connection.
    pub async fn stop(self) {
        // The processes are gone either way.
        let _ = self.service.cancel().await;
    }
}

fn outcome(result: &CallToolResult) -> Outcome {
    let text = result.content.iter().filter_map(|block| block.as_text()).map(|text| text.text.as_str()).collect();
    let decision = result.meta.as_ref().and_then(|meta| meta.get("dev.hitl/decision"));
    let refused = decision.and_then(|decision| decision.get("status")).and_then(Value::as_str).map(str::to_owned);
    Outcome { text, is_error: result.is_error == Some(true), refused }
}
