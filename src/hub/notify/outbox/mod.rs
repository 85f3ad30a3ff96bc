//! The outbox: rows written with what they tell of ([`tell`]), claimed under a lease, ended once.
//!
//! A claim whose hub dies is free again when its lease is over, and its messages are sent with the same ids.

mod claim;
mod settle;
mod tell;

pub use self::tell::tell;

use super::http::Failure;
use super::row::Waiting;
use super::stored;
use crate::config::notify::Channel;
use crate::core::ids::ApprovalId;
use crate::hub::notify::Notify;
use crate::hub::store::StoreError;

/// So long before its deadline an approval is about to time out.
const EXPIRING_MS: i64 = 60_000;
/// After so many attempts a message is given up.
pub(super) const ATTEMPTS: i64 = 10;

/// What one hub may send now; the first of them, and how many others it stands for.
pub(super) struct Claim {
    lease: String,
    pub(super) first: Waiting,
    pub(super) more: usize,
    failures: i64,
}

/// How a channel wants to send.
#[derive(Clone, Copy)]
pub(super) struct Way {
    /// One message may stand for many.
    pub(super) gathers: bool,
    /// Milliseconds from one message to the next.
    pub(super) pace_ms: i64,
}

impl Notify {
    /// Channels that have something open, and when the first of it can be sent.
    pub async fn channels_due(&self) -> Result<Vec<(String, i64)>, StoreError> {
        let found: Vec<(String, i64, i64)> = sqlx::query_as(
            "select channels.id, channels.ready_at, min(case when outbox.lease_until > outbox.next_at \
             then outbox.lease_until else outbox.next_at end) from outbox \
             join channels on channels.id = outbox.channel and channels.enabled = 1 \
             where outbox.ended_at is null group by channels.id, channels.ready_at",
        )
        .fetch_all(self.store.read())
        .await?;
        Ok(found.into_iter().map(|(id, ready, due)| (id, ready.max(due))).collect())
    }

    /// A channel and its version, whether it is in use or not.
    pub(super) async fn stored_channel(&self, id: &str) -> Result<Option<(Channel, i64)>, StoreError> {
        let found: Option<(String, i64)> = sqlx::query_as("select config, version from channels where id = $1")
            .bind(id)
            .fetch_optional(self.store.read())
            .await?;
        found.map(|(config, version)| Ok((stored::read(&config)?, version))).transpose()
    }

    /// Claims what this channel may send next, as long as it is of this version.
    pub(super) async fn claim(&self, id: &str, version: i64, way: Way) -> Result<Option<Claim>, StoreError> {
        let (hub, id) = (self.clone(), id.to_owned());
        self.store.write(move |tx| Box::pin(async move { claim::claim(tx, &id, version, way, hub.now()).await })).await
    }

    /// Notes what became of a claim; says whether the channel began or ceased to fail.
    pub(super) async fn settle(
        &self,
        id: &str,
        claim: Claim,
        outcome: Result<(), Failure>,
    ) -> Result<bool, StoreError> {
        let (hub, id) = (self.clone(), id.to_owned());
        self.store
            .write(move |tx| Box::pin(async move { settle::settle(tx, &id, claim, outcome, hub.now()).await }))
            .await
    }

    /// Notes how a test message fared.
    pub(super) async fn note_outcome(&self, id: &str, failure: Option<Failure>) -> Result<(), StoreError> {
        let (hub, id) = (self.clone(), id.to_owned());
        self.store.write(move |tx| Box::pin(async move { settle::note_test(tx, &id, failure, hub.now()).await })).await
    }

    /// When an approval times out, as it stands now.
    pub(super) async fn deadline_of(&self, id: &ApprovalId) -> Result<Option<i64>, StoreError> {
        let found = sqlx::query_scalar("select deadline_at from approvals where id = $1")
            .bind(id.as_str())
            .fetch_optional(self.store.read())
            .await?;
        Ok(found)
    }
}
