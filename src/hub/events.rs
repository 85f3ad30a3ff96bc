//! What happened, for live pages: the audit chain, read as events.

use tokio::sync::watch;

use super::Hub;
use super::model::Event;
use super::store::StoreError;

#[allow(clippy::todo, unused_variables)]
impl Hub {
    /// Events after `seq`, oldest first, at most `limit` (and never more than 1000).
    pub async fn events_after(&self, seq: i64, limit: u32) -> Result<Vec<Event>, StoreError> {
        todo!()
    }

    /// The newest event's id; 0 when nothing ever happened.
    pub fn last_seq(&self) -> i64 {
        todo!()
    }

    /// Changes to the newest event's id whenever something was committed; only wakes, read with
    /// [`events_after`](Self::events_after).
    pub fn subscribe(&self) -> watch::Receiver<i64> {
        todo!()
    }
}
