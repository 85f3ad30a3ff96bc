//! Who this shim is to the hub. What the machine says of itself is shown to approvers, never decided on.

use std::ffi::OsString;

use super::{platform, redact};
use crate::config::env;
use crate::core::ids::{ApprovalId, InstanceId};
use crate::core::messages::ClientInfo;
use crate::wire::{Hello, VERSION};

/// What every `hello` of this run has in common.
#[derive(Clone, Debug)]
pub struct Identity {
    /// This run.
    pub instance: InstanceId,
    /// The wrapped server's name.
    pub server: String,
    /// The wrapped server's command line, without the secrets in it.
    pub command: Vec<String>,
    /// The client's name until it has named itself.
    pub client: Option<String>,
}

impl Identity {
    /// A new run.
    pub fn new(server: String, command: &[OsString], client: Option<String>) -> Self {
        let command = redact::command(command.iter().map(|part| part.to_string_lossy().into_owned()));
        Self { instance: InstanceId(new_id()), server, command, client }
    }

    /// The first message of a connection.
    pub fn hello(&self, client: Option<ClientInfo>, resume: Vec<ApprovalId>) -> Hello {
        let by_name = || self.client.clone().map(|name| ClientInfo { name, version: String::new() });
        Hello {
            version: VERSION,
            instance: self.instance.clone(),
            server: self.server.clone(),
            command: self.command.clone(),
            client: client.or_else(by_name),
            user: user(),
            resume,
        }
    }
}

/// A new unique id.
pub fn new_id() -> String {
    uuid::Uuid::now_v7().to_string()
}

/// This user's name on this machine.
pub(super) fn user() -> Option<String> {
    // Clients that strip the environment leave these.
    let named = ["USER", "LOGNAME", "USERNAME"].iter().find_map(|name| env::var(name));
    named.or_else(platform::user_id)
}
