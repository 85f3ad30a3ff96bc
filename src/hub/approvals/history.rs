//! Sealing what is decided, so that a search and the insights need not read it all: see the store's sieve.

use futures_util::TryStreamExt as _;

use crate::hub::approvals::facts::Facts;
use crate::hub::approvals::list::SEARCHED;
use crate::hub::approvals::{Approvals, row};
use crate::hub::store::rows::{self, Row};
use crate::hub::store::{History, Sealing, StoreError};

impl Approvals {
    /// Seals the full chunks in which nothing is pending.
    pub async fn seal_history(&self) -> Result<(), StoreError> {
        let newest: Option<i64> =
            sqlx::query_scalar("select max(number) from approvals").fetch_one(self.store.read()).await?;
        for chunk in self.store.unsealed(History::Approvals, 0, newest.unwrap_or_default()).await? {
            let (first, last) = History::Approvals.numbers(chunk);
            let pending: i64 = sqlx::query_scalar(
                "select count(*) from approvals where status = 'pending' and number between $1 and $2",
            )
            .bind(first)
            .bind(last)
            .fetch_one(self.store.read())
            .await?;
            if pending == 0 {
                self.seal_chunk(chunk).await?;
            }
        }
        Ok(())
    }

    /// What is decided has every column that is looked for or counted as it stays.
    async fn seal_chunk(&self, chunk: i64) -> Result<(), StoreError> {
        let (first, last) = History::Approvals.numbers(chunk);
        let (mut sealing, mut facts) = (Sealing::new(History::Approvals, chunk), Facts::default());
        let mut found = rows::whole("where number between $1 and $2 order by number")
            .bind(first)
            .bind(last)
            .fetch(self.store.read());
        while let Some(found) = found.try_next().await? {
            mark(&found, &mut sealing)?;
            facts.add(&found)?;
        }
        drop(found);
        self.store.seal(sealing, Some(facts.written()?)).await
    }
}

/// The marks of a row, by which [`wanted`](super::list::wanted) looks for it.
fn mark(found: &Row, sealing: &mut Sealing) -> Result<(), StoreError> {
    let (number, approval) = (row::number_of(found)?, row::approval(found)?);
    let mut marking = sealing.row(number, approval.created_at);
    if let Some(given) = &approval.given {
        marking.text(&given.arguments);
    }
    for column in SEARCHED.iter().filter(|column| **column != rows::ARGUMENTS) {
        if let Some(text) = rows::optional(found, column)? {
            marking.text(&text);
        }
    }
    let agent = &approval.agent;
    marking.value("server", &approval.server);
    marking.value("tool", &approval.tool);
    marking.value("agent", agent.client_id.as_str());
    marking.value("agent", &agent.name);
    marking.value("status", approval.status.as_str());
    if let Some(user) = &approval.user {
        marking.value("user", user);
    }
    if let Some(decider) = &approval.decided_by {
        marking.value("decided_by", decider);
    }
    Ok(())
}
