//! The shim: stands between an MCP client and a stdio MCP server.
//!
//! The server is started first; the way to the hub is found beside it. [`relay`] is the one task that decides what to
//! do next, with the rules of [`core::gate`](crate::core::gate).

pub mod activity;
pub mod backoff;
pub mod child;
pub mod cli;
pub mod connect;
pub mod demo;
pub mod dial;
pub mod doctor;
pub mod framing;
pub mod http;
pub mod hub_client;
pub mod identity;
pub mod install;
pub mod launcher;
pub mod lines;
pub mod link;
pub mod local;
pub mod login;
pub mod long;
pub mod neighbours;
pub mod platform;
pub mod program;
pub mod prove;
pub mod redact;
pub mod relay;
pub mod run;
pub mod say;
pub mod threads;
pub mod writer;

use std::ffi::OsString;

use anyhow::Context as _;

use self::child::Child;
use self::hub_client::HubClient;
use self::identity::{Identity, new_id};
use self::platform::{Signals, Sink, Source, Streams};
use self::relay::{Parts, Relay};
use crate::config::paths;
use crate::config::wrap::{HubAt, Wrap};
use crate::core::gate::{Gate, Settings};
use crate::core::ids::ApprovalId;
use crate::core::reply::HubName;

/// Runs `command` behind the gate until it ends; returns the exit code.
pub async fn run(settings: Wrap, command: Vec<OsString>) -> anyhow::Result<i32> {
    match Child::spawn(&command) {
        Ok((child, streams)) => {
            warn_of_plain_text(&settings.hub);
            warn_of_no_home(&settings.hub);
            hint_at_name(&settings, &command);
            platform::reap_orphans();
            Ok(relay(settings, &command, child, streams)?.run().await)
        }
        Err(error) => {
            say::say(&error.to_string());
            Ok(error.exit_code().into())
        }
    }
}

fn relay(settings: Wrap, command: &[OsString], child: Child, streams: Streams) -> anyhow::Result<Relay> {
    let signals = Signals::new().context("cannot catch signals")?;
    let identity = Identity::new(settings.server.clone(), command, settings.client);
    let gate = Gate::new(Settings {
        server: settings.server,
        hub: hub_name(&settings.hub),
        hub_wait: settings.hub_wait,
        hold_for: settings.hold_for,
        client_name: identity.client.clone(),
        new_id: Box::new(|| ApprovalId(new_id())),
    });
    Ok(Relay::new(Parts {
        gate,
        identity,
        hub: HubClient::start(settings.hub),
        child,
        streams,
        stdin: Source::stdin().context("cannot read stdin")?,
        stdout: Sink::stdout().context("cannot write to stdout")?,
        signals,
    }))
}

/// The token and every decision would cross the network in the clear.
fn warn_of_plain_text(hub: &HubAt) {
    if let HubAt::Remote { endpoint } = hub
        && endpoint.is_plain_text()
    {
        say::say(&format!("the connection to the hub at {} is not encrypted; use https://", endpoint.base));
    }
}

/// What people decide should outlive the next start of the machine.
fn warn_of_no_home(hub: &HubAt) {
    if let HubAt::Local { data_dir, .. } = hub
        && Some(data_dir) == paths::temporary_dir().as_ref()
    {
        let dir = data_dir.display();
        say::say(&format!("this user has no home: its hub keeps everything in {dir}; set HOME or HITL_DATA_DIR"));
    }
}

/// Policy goes by the server's name, and this one is every other server's, too.
fn hint_at_name(settings: &Wrap, command: &[OsString]) {
    let command: Vec<String> = command.iter().map(|part| part.to_string_lossy().into_owned()).collect();
    if settings.is_named || !command.first().is_some_and(|program| launcher::is_shared(program)) {
        return;
    }
    let name = launcher::suggestion(&command);
    let example = name.map_or_else(|| "--server NAME".to_owned(), |name| format!("--server NAME, such as {name}"));
    say::say(&format!(
        "this server is called {:?}, like all others that are started so, and shares their policy; name it with {example}",
        settings.server
    ));
}

/// The hub as refusals name it.
fn hub_name(hub: &HubAt) -> HubName {
    match hub {
        HubAt::Remote { endpoint } => HubName::At(endpoint.base.clone()),
        HubAt::Local { data_dir, .. } => HubName::Here(paths::local_log(data_dir).display().to_string()),
    }
}
