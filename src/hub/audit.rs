//! The chained record: every decision and change, each record holding the hash of the one before.

use super::Hub;
use super::model::AuditRecord;
use super::store::StoreError;

/// What checking the whole chain found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChainCheck {
    /// So many records, unbroken; the hash of the last.
    Whole {
        /// How many.
        records: i64,
        /// The last one's hash.
        head: String,
    },
    /// The first record that does not fit, and why in words.
    Broken {
        /// Its place in the chain.
        seq: i64,
        /// What is wrong with it.
        why: String,
    },
}

#[allow(clippy::todo, unused_variables)]
impl Hub {
    /// Records after `after`, oldest first, at most `limit` (and never more than 1000).
    pub async fn audit(&self, after: i64, limit: u32) -> Result<Vec<AuditRecord>, StoreError> {
        todo!()
    }

    /// Recomputes the whole chain.
    pub async fn verify_audit(&self) -> Result<ChainCheck, StoreError> {
        todo!()
    }
}
