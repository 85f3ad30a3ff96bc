//! `hitl-hub approvals`: sees and decides what waits, over the API, as the page does.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::client::{Client, Needs, percent_encode};
use super::{Place, terminal, watch};

/// Characters of the arguments in a list; `show` has all of them.
const SHOWN: usize = 60;

/// See and decide what waits
#[derive(Debug, Args)]
pub(super) struct Approvals {
    /// The hub's URL, with a personal token in HITL_USER_TOKEN; default: the hub that runs on the data dir
    #[arg(long, global = true, value_name = "URL")]
    hub: Option<String>,
    /// Print the API's own JSON
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List approvals: those that wait, or others by status
    List {
        /// pending, approved, rejected, timed_out or cancelled; several with commas
        #[arg(long, default_value = "pending")]
        status: String,
        /// At most so many
        #[arg(long, default_value_t = 50)]
        limit: u32,
    },
    /// Show one approval with all its arguments
    Show {
        /// Which
        id: String,
    },
    /// Let the call run
    Approve {
        /// Which
        id: String,
        /// Words for the record
        #[arg(long)]
        comment: Option<String>,
    },
    /// Refuse the call
    Reject {
        /// Which
        id: String,
        /// Words for the agent and its user
        #[arg(long)]
        reason: Option<String>,
    },
    /// Give more time
    Extend {
        /// Which
        id: String,
        /// How many seconds more [default: 300]
        #[arg(long)]
        seconds: Option<u32>,
    },
    /// Print every change of an approval as it happens, also across a restart of the hub: id, status, outcome, trust, server, tool, agent, arguments
    Watch,
}

impl Command {
    fn needs(&self) -> Needs {
        match self {
            Self::List { .. } | Self::Show { .. } | Self::Watch => Needs::Look,
            Self::Approve { .. } | Self::Reject { .. } | Self::Extend { .. } => Needs::Decide,
        }
    }
}

/// Does it.
pub(super) async fn run(Approvals { hub, json, command }: Approvals, place: &Place) -> anyhow::Result<()> {
    if matches!(command, Command::Watch) {
        let line = |approval: &Value| {
            if json { terminal::inert_json(&approval.to_string()) } else { change(approval) }
        };
        return watch::run(hub, place, line).await;
    }
    let client = Client::connect(hub, place, command.needs()).await?;
    let done = tokio::select! {
        done = execute(command, &client, json) => done,
        error = client.keep_alive() => Err(error),
        interrupted = tokio::signal::ctrl_c() => interrupted.map_err(Into::into),
    };
    client.close().await;
    done
}

async fn execute(command: Command, client: &Client, json: bool) -> anyhow::Result<()> {
    let at = |id: &str, action: &str| format!("/approvals/{}{action}", percent_encode(id));
    let answer = match command {
        Command::Watch => return Ok(()),
        Command::List { status, limit } => {
            client.read("/approvals", &[("status", status.as_str()), ("limit", &limit.to_string())]).await?
        }
        Command::Show { id } => client.read(&at(&id, ""), &[]).await?,
        Command::Approve { id, comment } => client.write(&at(&id, "/approve"), &json!({ "comment": comment })).await?,
        Command::Reject { id, reason } => client.write(&at(&id, "/reject"), &json!({ "reason": reason })).await?,
        Command::Extend { id, seconds } => client.write(&at(&id, "/extend"), &json!({ "seconds": seconds })).await?,
    };
    match (json, answer["items"].as_array()) {
        (true, _) => terminal::line(&terminal::inert_json(&answer.to_string())),
        (false, Some(items)) => terminal::write(table(items).as_bytes()),
        (false, None) => terminal::write(card(&answer).as_bytes()),
    }
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| if value.is_null() { "-".to_owned() } else { value.to_string() }, terminal::inert)
}

fn table(items: &[Value]) -> String {
    let mut rows = vec![["ID", "STATUS", "TRUST", "SERVER", "TOOL", "AGENT", "ARGUMENTS"].map(str::to_owned).to_vec()];
    rows.extend(items.iter().map(row));
    terminal::table(&rows)
}

fn row(approval: &Value) -> Vec<String> {
    let fields = ["id", "status", "trust", "server", "tool"].map(|key| text(&approval[key]));
    let arguments = terminal::shorten(&text(&approval["arguments"]), SHOWN);
    fields.into_iter().chain([text(&approval["agent"]["name"]), arguments]).collect()
}

/// One approval, field by field, arguments last.
fn card(approval: &Value) -> String {
    let time = |key: &str| approval[key].as_i64().map_or_else(|| "-".to_owned(), terminal::time);
    let reasons = approval["reasons"].as_array().map(|list| list.iter().map(text).collect::<Vec<_>>().join("; "));
    let decided = approval["decided_at"].as_i64().map(|at| match approval["decided_by"].as_str() {
        Some(by) => format!("{} by {}", terminal::time(at), terminal::inert(by)),
        None => terminal::time(at),
    });
    let rows = [
        ("approval", text(&approval["id"])),
        ("status", text(&approval["status"])),
        ("tool", format!("{} on {}", text(&approval["tool"]), text(&approval["server"]))),
        ("trust", text(&approval["trust"])),
        ("agent", format!("{} ({})", text(&approval["agent"]["name"]), text(&approval["agent"]["client_id"]))),
        ("user", user(approval)),
        ("gated by", reasons.unwrap_or_default()),
        ("created", time("created_at")),
        ("deadline", time("deadline_at")),
        ("decided", decided.unwrap_or_default()),
        ("reason", text(&approval["reason"])),
        ("outcome", outcome(approval)),
        ("sha256", text(&approval["arguments_sha256"])),
        ("arguments", text(&approval["arguments"])),
        ("also sent", text(&approval["extra"])),
    ];
    let known = rows.into_iter().filter(|(name, value)| *name != "decided" || !value.is_empty());
    terminal::table(&known.map(|(name, value)| vec![name.to_owned(), value]).collect::<Vec<_>>())
}

/// For whom the agent calls; what is only claimed is said to be.
fn user(approval: &Value) -> String {
    match approval["claimed_user"].as_str() {
        Some(claimed) => format!("{} (claimed)", terminal::inert(claimed)),
        None => text(&approval["user"]),
    }
}

/// What became of the call, and whether it has to come again before anything can.
fn outcome(approval: &Value) -> String {
    let again = approval["handed_off"] == true && approval["outcome"] == "waiting";
    text(&approval["outcome"]) + if again { " for the client to call again" } else { "" }
}

/// One change of an approval as a line: what was decided, and what came of it.
fn change(approval: &Value) -> String {
    let mut fields = row(approval);
    fields.insert(2, text(&approval["outcome"]));
    fields.join("  ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_decided_is_shown_once_somebody_did() {
        let decided = |card: &str| card.lines().find(|line| line.starts_with("decided")).map(str::to_owned);
        assert_eq!(decided(&card(&json!({ "id": "a", "status": "pending", "decided_at": null }))), None);
        let line = decided(&card(&json!({ "decided_at": 0, "decided_by": "ada" }))).unwrap();
        assert!(line.ends_with(" by ada"), "{line}");
        let line = decided(&card(&json!({ "decided_at": 0, "decided_by": null }))).unwrap();
        assert!(!line.contains(" by "), "{line}");
    }

    #[test]
    fn a_card_says_when_the_client_has_to_call_again() {
        let line = |away: bool, outcome: &str| outcome_line(&json!({ "handed_off": away, "outcome": outcome }));
        assert!(line(true, "waiting").ends_with("waiting for the client to call again"));
        assert!(line(false, "waiting").ends_with("waiting"));
        assert!(line(true, "succeeded").ends_with("succeeded"));
    }

    #[test]
    fn no_two_changes_of_an_approval_look_alike() {
        let at = |outcome: &str| change(&json!({ "id": "a", "status": "approved", "outcome": outcome, "tool": "t" }));
        let lines: std::collections::BTreeSet<_> = ["waiting", "released", "succeeded"].into_iter().map(at).collect();
        assert_eq!(lines.len(), 3, "{lines:?}");
        assert!(at("released").starts_with("a  approved  released  "), "{lines:?}");
    }

    fn outcome_line(approval: &Value) -> String {
        let card = card(approval);
        card.lines().find(|line| line.starts_with("outcome")).unwrap().trim_end().to_owned()
    }
}
