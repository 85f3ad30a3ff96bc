//! The demo's MCP server: a few repositories in memory, and a tool that destroys one.

use std::sync::{Mutex, PoisonError};

use rmcp::handler::server::wrapper::Parameters;
use rmcp::model::{CallToolResult, ContentBlock};
use rmcp::schemars::JsonSchema;
use rmcp::{ServerHandler, ServiceExt as _, tool, tool_handler, tool_router};
use serde::Deserialize;

/// The repository that the demo's agent wants to delete.
pub const VICTIM: &str = "acme/legacy-billing";

/// Serves on stdin and stdout until the client leaves.
pub async fn serve() -> anyhow::Result<()> {
    DemoServer::default().serve(rmcp::transport::stdio()).await?.waiting().await?;
    Ok(())
}

struct DemoServer {
    repos: Mutex<Vec<String>>,
}

impl Default for DemoServer {
    fn default() -> Self {
        let repos = ["acme/website", "acme/api", VICTIM].map(str::to_owned);
        Self { repos: Mutex::new(repos.to_vec()) }
    }
}

#[derive(Deserialize, JsonSchema)]
#[schemars(crate = "rmcp::schemars")]
struct Repo {
    /// Full name, such as `acme/api`.
    name: String,
}

#[derive(Deserialize, JsonSchema)]
#[schemars(crate = "rmcp::schemars")]
struct Issue {
    /// The repository's full name.
    repo: String,
    /// One line.
    title: String,
}

#[tool_router]
impl DemoServer {
    /// List the repositories.
    #[tool(annotations(read_only_hint = true))]
    fn list_repos(&self) -> CallToolResult {
        answer(self.repos().join(", "))
    }

    /// Open an issue in a repository.
    #[tool(annotations(destructive_hint = false))]
    fn create_issue(&self, Parameters(issue): Parameters<Issue>) -> CallToolResult {
        if !self.repos().contains(&issue.repo) {
            return refusal(format!("There is no repository {}.", issue.repo));
        }
        answer(format!("Opened issue 1 in {}: {}", issue.repo, issue.title))
    }

    /// Delete a repository with all its issues. This cannot be undone.
    #[tool(annotations(destructive_hint = true))]
    fn delete_repo(&self, Parameters(repo): Parameters<Repo>) -> CallToolResult {
        let mut repos = self.repos();
        let Some(index) = repos.iter().position(|name| *name == repo.name) else {
            return refusal(format!("There is no repository {}.", repo.name));
        };
        repos.remove(index);
        answer(format!("Deleted {}.", repo.name))
    }
}

impl DemoServer {
    fn repos(&self) -> std::sync::MutexGuard<'_, Vec<String>> {
        // A list of names is whole after a panic, too.
        self.repos.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[tool_handler]
impl ServerHandler for DemoServer {}

fn answer(text: String) -> CallToolResult {
    CallToolResult::success(vec![ContentBlock::text(text)])
}

fn refusal(text: String) -> CallToolResult {
    CallToolResult::error(vec![ContentBlock::text(text)])
}
