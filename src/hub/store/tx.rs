//! The writer's transaction.

#[cfg(test)]
use std::sync::Arc;
#[cfg(test)]
use std::sync::atomic::{AtomicU64, Ordering};

use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row as _};

use super::StoreError;
use super::mark::{Head, Marking};
use super::memory::{Memory, Sees, Versions};
use crate::failpoint::Places;
use crate::hub::model::AuditRecord;
use crate::hub::store::bus::{Bus, Notice};

/// What there is around a transaction.
pub(super) struct Around {
    pub(super) memory: Memory,
    /// Whether several hubs may serve the store.
    pub(super) shared: bool,
    /// The name under which other hubs are notified, where there may be some.
    pub(super) notifies: Option<String>,
    /// How many statements were asked for.
    #[cfg(test)]
    pub(super) asked: Arc<AtomicU64>,
}

/// The writer's transaction, as a job sees it.
pub struct Tx {
    connection: AnyConnection,
    /// Told to the bus after the commit.
    pub(super) notices: Vec<Notice>,
    /// Written as one at the commit.
    pub(super) records: Vec<AuditRecord>,
    pub(super) due: Option<i64>,
    /// The chain as the transaction found it.
    pub(super) found: Found,
    /// The chain's head, once something was recorded.
    pub(super) head: Option<Head>,
    /// The newest record that this process knows of.
    pub(super) known: i64,
    memory: Memory,
    /// See [`Around::shared`].
    pub(super) shared: bool,
    /// See [`Around::notifies`].
    pub(super) notifies: Option<String>,
    /// What the memory must be of to be used: nothing, once somebody may have changed here what it holds.
    pub(super) versions: Option<Versions>,
    /// Who asked for what it holds.
    pub(super) changes: Places,
    /// How many statements were asked for.
    #[cfg(test)]
    asked: Arc<AtomicU64>,
}

/// The chain under the write lock.
pub(super) struct Found {
    pub(super) head: Head,
    /// The newest row of the record; behind the head are strays.
    pub(super) newest: Option<i64>,
    versions: Versions,
}

impl Found {
    fn of(row: &AnyRow) -> Result<Self, sqlx::Error> {
        let head = Head { seq: row.try_get("seq")?, hash: row.try_get("hash")? };
        Ok(Self { head, newest: row.try_get("newest")?, versions: Versions::of(row)? })
    }
}

impl Tx {
    pub(super) async fn begin(
        mut connection: AnyConnection,
        statements: [&'static str; 2],
    ) -> Result<(AnyConnection, Found), sqlx::Error> {
        let [begin, find] = statements;
        sqlx::query(begin).execute(&mut connection).await?;
        let found = Found::of(&sqlx::query(find).fetch_one(&mut connection).await?)?;
        Ok((connection, found))
    }

    pub(super) fn new((connection, found): (AnyConnection, Found), known: i64, around: &Around) -> Self {
        let Around { memory, notifies, .. } = around;
        memory.note(found.versions);
        Self {
            connection,
            notices: Vec::new(),
            records: Vec::new(),
            due: None,
            versions: Some(found.versions),
            found,
            head: None,
            known,
            memory: memory.clone(),
            shared: around.shared,
            notifies: notifies.clone(),
            changes: Places::default(),
            #[cfg(test)]
            asked: around.asked.clone(),
        }
    }

    /// Makes everything durable, and only then tells anybody; the connection is good for the next transaction.
    pub(super) async fn commit(mut self, marking: &mut Marking, bus: &Bus) -> Result<AnyConnection, StoreError> {
        let written = self.write_chain().await?;
        sqlx::query("commit").execute(&mut self.connection).await?;
        self.changes.reach();
        let head = written.map(|(head, versions)| {
            let as_found = self.versions.is_none_or(|found| found == versions);
            debug_assert!(as_found, "a job about calls changed what is kept in memory");
            self.memory.note(versions);
            head
        });
        marking.note(head).await;
        bus.announce(self.notices, self.due);
        Ok(self.connection)
    }

    pub(super) async fn roll_back(mut self) -> Result<AnyConnection, sqlx::Error> {
        sqlx::query("rollback").execute(&mut self.connection).await?;
        Ok(self.connection)
    }

    /// For queries.
    pub fn sql(&mut self) -> &mut AnyConnection {
        #[cfg(test)]
        self.asked.fetch_add(1, Ordering::Relaxed);
        &mut self.connection
    }

    /// After the commit, the sweeper looks again no later than at this time.
    pub fn wake_sweeper_at(&mut self, at: i64) {
        self.due = Some(self.due.map_or(at, |due| due.min(at)));
    }
}

impl Sees for Tx {
    fn sql(&mut self) -> &mut AnyConnection {
        Self::sql(self)
    }

    fn memory(&self) -> Option<(&Memory, Versions)> {
        Some((&self.memory, self.versions?))
    }
}
