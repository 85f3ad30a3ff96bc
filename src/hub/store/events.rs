//! What happened, for live pages: the audit chain, read as events.

use sqlx::Row as _;
use tokio::sync::watch;

use crate::core::ids::{ApprovalId, ClientId, InstanceId};
use crate::hub::model::Event;
use crate::hub::store::bus::Target;
use crate::hub::store::memory::Versions;
use crate::hub::store::{Store, StoreError};

const MOST: u32 = 1000;

impl Store {
    /// Events after `seq`, oldest first, at most `limit` (and never more than 1000).
    pub async fn events_after(&self, seq: i64, limit: u32) -> Result<Vec<Event>, StoreError> {
        let found: Vec<(i64, String, String)> = sqlx::query_as(
            "select seq, action, subject from audit where seq > $1 \
                 and seq between 1 and (select seq from chain where id = 1) order by seq limit $2",
        )
        .bind(seq)
        .bind(i64::from(limit.min(MOST)))
        .fetch_all(self.read())
        .await?;
        let event = |(id, action, subject): (i64, String, String)| Event { id, kind: kind(&action).into(), subject };
        Ok(found.into_iter().map(event).collect())
    }

    /// The newest event's id; 0 when nothing ever happened.
    pub fn last_seq(&self) -> i64 {
        *self.bus().newest().borrow()
    }

    /// Changes to the newest event's id whenever something was committed; only wakes, read with
    /// [`events_after`](Self::events_after).
    pub fn subscribe(&self) -> watch::Receiver<i64> {
        self.bus().newest()
    }

    /// Lets every live page look again whether it may still listen.
    pub fn wake_pages(&self) {
        self.bus().wake_pages();
    }

    /// Looks for records that another process wrote (the command line, another hub).
    pub async fn look_outside(&self) -> Result<(), StoreError> {
        let found = "select seq, callers, policy, channels from chain where id = 1";
        let row = sqlx::query(found).fetch_one(self.read()).await?;
        // First, so that whoever is woken looks there.
        self.memory().note(Versions::of(&row)?);
        self.bus().note_newest(row.try_get("seq")?);
        Ok(())
    }

    /// Wakes our sessions for what another process wrote, both ends included.
    pub async fn deliver_from_outside(&self, first: i64, last: i64) -> Result<(), StoreError> {
        let found: Vec<(String, String, Option<String>, Option<String>)> = sqlx::query_as(
            "select audit.action, audit.subject, approvals.client_id, approvals.instance from audit \
             left join approvals on approvals.id = audit.subject where seq between $1 and $2 order by seq",
        )
        .bind(first)
        .bind(last)
        .fetch_all(self.read())
        .await?;
        for (action, subject, client_id, instance) in found {
            self.bus().deliver(&target(&action, subject, client_id.zip(instance)));
        }
        self.bus().wake_sweeper();
        Ok(())
    }
}

/// The event name that live pages know.
fn kind(action: &str) -> &'static str {
    match action.split_once('.').map_or(action, |(what, _)| what) {
        "approval" => "approval",
        "agent" => "agents",
        "user" => "users",
        "session" => "sessions",
        _ => "policy",
    }
}

/// Whom a record concerns that we did not write.
fn target(action: &str, subject: String, holder: Option<(String, String)>) -> Target {
    match (action, kind(action), holder) {
        (_, "approval", Some((client_id, instance))) => {
            let (id, client_id, instance) = (ApprovalId(subject), ClientId(client_id), InstanceId(instance));
            Target::Approval { id, client_id, instance, ended: None }
        }
        ("agent.revoked", _, _) => Target::Revoked(ClientId(subject)),
        (_, "agents", _) => Target::Agent(ClientId(subject)),
        (_, "users", _) => Target::Everyone,
        ("tools.changed", _, _) => Target::Tools(subject),
        (_, "policy", _) => Target::Server(subject),
        _ => Target::Pages,
    }
}
