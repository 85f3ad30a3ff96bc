//! Servers and tools as the shims reported them, and the policy people set on them.

use super::Hub;
use super::error::{Actor, ChangeError};
use super::model::{PolicyChange, Server, Tool, ToolChange};
use super::store::StoreError;

#[allow(clippy::todo, unused_variables)]
impl Hub {
    /// All servers, by name.
    pub async fn servers(&self) -> Result<Vec<Server>, StoreError> {
        todo!()
    }

    /// One server.
    pub async fn server(&self, name: &str) -> Result<Option<Server>, StoreError> {
        todo!()
    }

    /// Changes a server's policy; connected shims have it within milliseconds.
    pub async fn change_policy(&self, server: &str, by: &Actor, change: PolicyChange) -> Result<Server, ChangeError> {
        todo!()
    }

    /// Changes a tool's policy; connected shims have it within milliseconds.
    pub async fn change_tool(
        &self,
        server: &str,
        tool: &str,
        by: &Actor,
        change: ToolChange,
    ) -> Result<Tool, ChangeError> {
        todo!()
    }
}
