//! What a message says, before any place has its say on how it looks. Arguments are in it only where mail asks.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::text::plain;
use crate::config::notify::Event;
use crate::core::approval::Status;
use crate::core::ids::{ApprovalId, ClientId, Digest};
use crate::core::messages::ClientInfo;
use crate::core::trust::Level;
use crate::hub::model::Approval;

/// The longest name in a message, in characters.
const NAME: usize = 120;

/// Said wherever arguments are not shown.
pub(super) const NO_ARGUMENTS: &str = "Arguments are not shown here; open the approval to see them.";

/// An approval at the moment something happened to it, as the outbox keeps it; its deadline is read again when a message
/// that still waits for a decision is made.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Notice {
    pub(super) approval: ApprovalId,
    pub(super) status: Status,
    pub(super) server: String,
    pub(super) tool: String,
    pub(super) trust: Level,
    pub(super) client_id: ClientId,
    pub(super) agent: String,
    pub(super) client: ClientInfo,
    pub(super) user: Option<String>,
    pub(super) claimed_user: Option<String>,
    pub(super) arguments_sha256: Digest,
    pub(super) created_at: i64,
    pub(super) deadline_at: i64,
    pub(super) decided_at: Option<i64>,
    pub(super) decided_by: Option<String>,
    pub(super) reason: Option<String>,
    /// When it happened.
    pub(super) at: i64,
}

impl Notice {
    pub(super) fn of(approval: &Approval, at: i64) -> Self {
        Self {
            approval: approval.id.clone(),
            status: approval.status,
            server: approval.server.clone(),
            tool: approval.tool.clone(),
            trust: approval.trust,
            client_id: approval.agent.client_id.clone(),
            agent: approval.agent.name.clone(),
            client: approval.client.clone(),
            user: approval.user.clone(),
            claimed_user: approval.claimed_user.clone(),
            arguments_sha256: approval.arguments_sha256.clone(),
            created_at: approval.created_at,
            deadline_at: approval.deadline_at,
            decided_at: approval.decided_at,
            decided_by: approval.decided_by.clone(),
            reason: approval.reason.clone(),
            at,
        }
    }

    /// A made-up one, to try a channel with.
    pub(super) fn example(now: i64) -> Self {
        Self {
            approval: ApprovalId::from("00000000-0000-7000-8000-000000000000"),
            status: Status::Pending,
            server: "example".to_owned(),
            tool: "example_tool".to_owned(),
            trust: Level::High,
            client_id: ClientId::from("example"),
            agent: "example agent".to_owned(),
            client: ClientInfo { name: "example".to_owned(), version: "1".to_owned() },
            user: None,
            claimed_user: None,
            arguments_sha256: Digest::of(b"{}"),
            created_at: now,
            deadline_at: now + 300_000,
            decided_at: None,
            decided_by: None,
            reason: None,
            at: now,
        }
    }
}

/// One message on its way.
#[derive(Clone, Debug)]
pub(super) struct Message {
    /// The same each time this message is sent again.
    pub(super) id: String,
    pub(super) event: Event,
    pub(super) notice: Notice,
    /// How many others this message stands for, when many came at once.
    pub(super) more: usize,
    /// Whom it is for, where a channel has several.
    pub(super) recipient: String,
    /// Only for mail that asks for them.
    pub(super) arguments: Option<String>,
    /// Somebody tries the channel; nothing happened.
    pub(super) test: bool,
    /// The hub's base URL, without a slash at its end.
    pub(super) base: String,
    /// When it is sent.
    pub(super) now: i64,
}

impl Message {
    /// What happened, in two or three words of ours.
    pub(super) fn title(&self) -> &'static str {
        match (self.test, self.event, self.notice.status) {
            (true, _, _) => "Test message",
            (_, Event::Created, _) => "Approval needed",
            (_, Event::Expiring, _) => "Approval about to time out",
            (_, Event::Decided, Status::Approved) => "Approved",
            (_, Event::Decided, _) => "Rejected",
            (_, Event::TimedOut, _) => "Timed out",
            (_, Event::Cancelled, _) => "Cancelled",
        }
    }

    /// The tool's name, fit to be shown.
    pub(super) fn tool(&self) -> String {
        plain(&self.notice.tool, NAME)
    }

    /// The server's name, fit to be shown.
    pub(super) fn server(&self) -> String {
        plain(&self.notice.server, NAME)
    }

    /// Title, tool and server in one line.
    pub(super) fn headline(&self) -> String {
        format!("{}: {} on {}", self.title(), self.tool(), self.server())
    }

    /// What there is to know, each with its label; every value is one plain line.
    pub(super) fn facts(&self) -> Vec<(&'static str, String)> {
        let mut facts = vec![
            ("Tool", self.tool()),
            ("Server", self.server()),
            ("Agent", plain(&self.notice.agent, NAME)),
            ("User", self.user()),
            ("Risk", self.notice.trust.to_string()),
        ];
        match (self.event, &self.notice.decided_by) {
            (Event::Created | Event::Expiring, _) => facts.push(("Time left", self.time_left())),
            (_, Some(by)) => facts.push(("By", plain(by, NAME))),
            _ => {}
        }
        facts
    }

    /// For whom the agent calls; what is only claimed is said to be.
    fn user(&self) -> String {
        match (&self.notice.user, &self.notice.claimed_user) {
            (Some(known), _) => plain(known, NAME),
            (None, Some(claimed)) => format!("{} (claimed)", plain(claimed, NAME)),
            (None, None) => "unknown".to_owned(),
        }
    }

    fn time_left(&self) -> String {
        let seconds = (self.notice.deadline_at - self.now).max(0) / 1000;
        let left =
            if seconds < 60 { format!("{seconds} s") } else { format!("{} min {} s", seconds / 60, seconds % 60) };
        match Timestamp::from_millisecond(self.notice.deadline_at) {
            Ok(until) => format!("{left} (until {})", until.strftime("%H:%M:%S UTC")),
            Err(_) => left,
        }
    }

    /// That there are others, when there are.
    pub(super) fn more(&self) -> Option<String> {
        let did = match self.event {
            Event::Created => "waiting",
            Event::Expiring => "about to time out",
            Event::Decided => "decided",
            Event::TimedOut => "timed out",
            Event::Cancelled => "cancelled",
        };
        match self.more {
            0 => None,
            1 => Some(format!("1 more is {did}.")),
            more => Some(format!("{more} more are {did}.")),
        }
    }

    /// Opens the approval, or the queue where there are more, and does nothing else.
    pub(super) fn link(&self) -> String {
        let base = &self.base;
        match (self.test, self.more) {
            (true, _) => format!("{base}/notifications"),
            (_, 0) => format!("{base}/approvals/{}", self.notice.approval),
            _ => format!("{base}/approvals"),
        }
    }

    /// What the link is called.
    pub(super) fn link_words(&self) -> &'static str {
        match (self.test, self.more) {
            (true, _) => "Open hitl",
            (_, 0) => "Open the approval",
            _ => "Open the queue",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claimed_user_is_not_told_as_a_known_one() {
        let told = |user: Option<&str>, claimed_user: Option<&str>| {
            let (user, claimed_user) = (user.map(str::to_owned), claimed_user.map(str::to_owned));
            let notice = Notice { user, claimed_user, ..Notice::example(0) };
            let message = Message {
                id: String::new(),
                event: Event::Created,
                notice,
                more: 0,
                recipient: String::new(),
                arguments: None,
                test: false,
                base: String::new(),
                now: 0,
            };
            message.user()
        };
        assert_eq!(told(Some("ada"), None), "ada");
        assert_eq!(told(None, Some("ceo")), "ceo (claimed)");
        assert_eq!(told(None, None), "unknown");
    }
}
