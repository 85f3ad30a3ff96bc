//! Going on with a store that was set back: a backup that was restored, or what a crash of the machine lost.

use serde_json::json;

use crate::core::ids::ClientId;
use crate::hub::approvals::{Approvals, hold};
use crate::hub::store::{Entry, StoreError, Target, Tx};

/// The reason of what is ended for it.
const SET_BACK: &str = "the store was set back";

impl Approvals {
    /// Goes on with the store as it is. What is open in it may have run already, so none of it runs; and the record
    /// says so.
    pub async fn accept_rollback(&self) -> Result<(), StoreError> {
        let Some(set_back) = self.store.set_back().cloned() else { return Ok(()) };
        let clock = self.clock.clone();
        self.store
            .write(move |tx| {
                Box::pin(async move {
                    let at = clock.now();
                    end_everything(tx, at).await?;
                    let known = set_back.known.map(|head| json!({ "seq": head.seq, "hash": head.hash }));
                    let found = json!({ "seq": set_back.found.seq, "hash": set_back.found.hash });
                    let detail = json!({ "known": known, "found": found });
                    let (actor, action, subject) = ("operator", "store.rollback_accepted", "store");
                    tx.audit(Entry { at, actor, action, subject, detail }, Target::Pages).await?;
                    Ok::<_, StoreError>(())
                })
            })
            .await?;
        self.store.mark_anew().await
    }
}

async fn end_everything(tx: &mut Tx, now: i64) -> Result<(), StoreError> {
    let open: Vec<String> = sqlx::query_scalar(
        "select distinct client_id from approvals where outcome in ('waiting', 'released') union \
         select distinct client_id from activity where running is not null and outcome = 'released'",
    )
    .fetch_all(tx.sql())
    .await?;
    for client_id in open {
        hold::end_all(tx, &ClientId(client_id), None, SET_BACK, now).await?;
    }
    Ok(())
}
