//! `hitl-hub approvals`: sees and decides what waits, over the API, as the page does.

use anyhow::{bail, ensure};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::client::{Client, Needs};
use super::{Place, terminal, watch};
use crate::hub::base_url::percent_encode;

/// Characters of the arguments in a list; `show` has all of them.
const SHOWN: usize = 60;
/// Characters of a name there.
const NAME: usize = 28;
/// How many characters from its end name an approval in a list: there ids are random.
const SHORT: usize = 8;
/// The fewest that name one in a command.
const SHORTEST: usize = 4;
/// So many approvals of each kind are looked through for it.
const LOOKED_THROUGH: u32 = 500;
/// The length of a whole id.
const WHOLE: usize = 36;

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
    #[command(after_help = "Example: hitl-hub approvals list --status approved,rejected")]
    List {
        /// Only approvals that are pending, approved, rejected, timed_out or cancelled; several with commas
        #[arg(long, default_value = "pending")]
        status: String,
        /// List at most so many
        #[arg(long, default_value_t = 50)]
        limit: u32,
    },
    /// Show one approval with all its arguments
    #[command(after_help = "Example: hitl-hub approvals show 1f0c93ab")]
    Show {
        /// Id of the approval, or the end of it as lists show it
        id: String,
    },
    /// Approve a call, which then runs
    #[command(after_help = "Example: hitl-hub approvals approve 1f0c93ab")]
    Approve {
        /// Id of the approval, or the end of it as lists show it
        id: String,
        /// Words for the record
        #[arg(long)]
        comment: Option<String>,
    },
    /// Reject a call, which then never runs
    #[command(after_help = "Example: hitl-hub approvals reject 1f0c93ab --reason \"Wrong environment\"")]
    Reject {
        /// Id of the approval, or the end of it as lists show it
        id: String,
        /// Words for the agent and its user
        #[arg(long)]
        reason: Option<String>,
    },
    /// Give a call more time to be decided
    #[command(after_help = "Example: hitl-hub approvals extend 1f0c93ab --seconds 600")]
    Extend {
        /// Id of the approval, or the end of it as lists show it
        id: String,
        /// How many seconds more [default: 300]
        #[arg(long)]
        seconds: Option<u32>,
    },
    /// Print every change of an approval as it happens, also across a restart of the hub: id, status, outcome, risk, server, tool, agent, user, arguments
    #[command(after_help = "Example: hitl-hub approvals watch")]
    Watch,
}

impl Command {
    /// Which approval it is about, as it was typed.
    fn id(&mut self) -> Option<&mut String> {
        match self {
            Self::List { .. } | Self::Watch => None,
            Self::Show { id } | Self::Approve { id, .. } | Self::Reject { id, .. } | Self::Extend { id, .. } => {
                Some(id)
            }
        }
    }

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

async fn execute(mut command: Command, client: &Client, json: bool) -> anyhow::Result<()> {
    if let Some(id) = command.id() {
        *id = whole(client, id).await?;
    }
    let at = |id: &str, action: &str| format!("/approvals/{}{action}", percent_encode(id));
    let answer = match command {
        Command::Watch => return Ok(()),
        Command::List { status, limit } => list(client, status.as_str(), limit).await?,
        Command::Show { id } => client.read(&at(&id, ""), &[]).await?,
        Command::Approve { id, comment } => client.write(&at(&id, "/approve"), &json!({ "comment": comment })).await?,
        Command::Reject { id, reason } => client.write(&at(&id, "/reject"), &json!({ "reason": reason })).await?,
        Command::Extend { id, seconds } => client.write(&at(&id, "/extend"), &json!({ "seconds": seconds })).await?,
    };
    match (json, answer["items"].as_array()) {
        (true, _) => terminal::line(&terminal::inert_json(&answer.to_string())),
        (false, Some(items)) => {
            let now = client.read("/session", &[]).await?["hub_time"].as_i64().unwrap_or_default();
            terminal::write(table(items, now).as_bytes())
        }
        (false, None) => terminal::write(card(&answer).as_bytes()),
    }
}

/// The first `limit` approvals, of as many pages as that takes: large calls make them short.
async fn list(client: &Client, status: &str, limit: u32) -> anyhow::Result<Value> {
    let (mut items, mut cursor) = (Vec::new(), Value::Null);
    loop {
        let left = (limit as usize - items.len()).to_string();
        let after = cursor.as_str().map(|cursor| ("cursor", cursor));
        let query: Vec<_> = [("status", status), ("limit", &left)].into_iter().chain(after).collect();
        let mut page = client.read("/approvals", &query).await?;
        items.extend(page["items"].as_array_mut().map(std::mem::take).unwrap_or_default());
        cursor = page["next_cursor"].take();
        if cursor.is_null() || items.len() >= limit as usize {
            return Ok(json!({ "items": items, "next_cursor": cursor }));
        }
    }
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| if value.is_null() { "-".to_owned() } else { value.to_string() }, terminal::inert)
}

/// The whole id of an approval that is named by it or by its end.
async fn whole(client: &Client, given: &str) -> anyhow::Result<String> {
    if given.len() >= WHOLE {
        return Ok(given.to_owned());
    }
    ensure!(given.len() >= SHORTEST, "{given} is too short to name an approval; give at least {SHORTEST} characters");
    let given = given.to_ascii_lowercase();
    for status in ["pending", "approved,rejected,timed_out,cancelled"] {
        let list = list(client, status, LOOKED_THROUGH).await?;
        let ids = list["items"].as_array().into_iter().flatten().filter_map(|approval| approval["id"].as_str());
        match ids.filter(|id| id.ends_with(&given)).collect::<Vec<_>>().as_slice() {
            [] => {}
            [one] => return Ok((*one).to_owned()),
            several => bail!("several approvals end in {given}; give more of the id: {}", several.join(", ")),
        }
    }
    bail!(
        "no approval ends in {given}, among those that wait and the last 500; `hitl-hub approvals list` shows what waits"
    )
}

fn table(items: &[Value], now: i64) -> String {
    let head = ["ID", "STATUS", "RISK", "LEFT", "AGE", "SERVER", "TOOL", "AGENT", "USER", "ARGUMENTS"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    rows.extend(items.iter().map(|approval| {
        let ([status, risk], id) = (["status", "trust"].map(|key| text(&approval[key])), text(&approval["id"]));
        let short = id.get(id.len().saturating_sub(SHORT)..).unwrap_or(&id).to_owned();
        let until = |key: &str| approval[key].as_i64().unwrap_or(now) - now;
        let left = if status == "pending" { terminal::span(until("deadline_at")) } else { "-".to_owned() };
        let times = [left, terminal::span(-until("created_at"))];
        [short, status, risk].into_iter().chain(times).chain(call(approval)).collect()
    }));
    terminal::table(&rows)
}

/// Where, what, who, for whom, and with what.
fn call(approval: &Value) -> [String; 5] {
    let name = |value: &Value| terminal::shorten(&text(value), NAME);
    let arguments = terminal::shorten(&text(&approval["arguments"]), SHOWN);
    let [server, tool] = ["server", "tool"].map(|key| name(&approval[key]));
    [server, tool, name(&approval["agent"]["name"]), terminal::shorten(&user(approval), NAME), arguments]
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
        ("risk", text(&approval["trust"])),
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
    let [id, status, outcome, risk] = ["id", "status", "outcome", "trust"].map(|key| text(&approval[key]));
    format!("{id}  {status:<9}  {outcome:<12}  {risk:<6}  {}", call(approval).join("  "))
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
        assert!(at("released").starts_with("a  approved   released      "), "{lines:?}");
    }

    #[test]
    fn a_list_has_ids_that_can_be_typed_time_left_age_and_for_whom() {
        let waits = json!({
            "id": "01890a5d-ac96-774b-bcce-b302099a8057", "status": "pending", "trust": "high", "server": "github",
            "tool": "delete_repo", "agent": { "name": "ci" }, "user": null, "claimed_user": "ceo",
            "created_at": 0, "deadline_at": 300_000, "arguments": "{}",
        });
        let mut ended = waits.clone();
        ended["status"] = "approved".into();
        ended["tool"] = "t".repeat(100).into();
        let list = table(&[waits, ended], 35_000);
        let lines: Vec<Vec<&str>> =
            list.lines().map(|line| line.split("  ").filter(|cell| !cell.is_empty()).collect()).collect();
        let cells = |line: usize| lines[line].iter().map(|cell| cell.trim()).collect::<Vec<_>>();
        assert_eq!(
            cells(1),
            ["099a8057", "pending", "high", "4:25", "0:35", "github", "delete_repo", "ci", "ceo (claimed)", "{}"]
        );
        assert_eq!((cells(2)[3], cells(2)[6].chars().count()), ("-", NAME + 1));
    }

    fn outcome_line(approval: &Value) -> String {
        let card = card(approval);
        card.lines().find(|line| line.starts_with("outcome")).unwrap().trim_end().to_owned()
    }
}
