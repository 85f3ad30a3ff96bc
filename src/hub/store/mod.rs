//! The store: SQLite or PostgreSQL, chosen by URL, one SQL text for both.

pub mod web;

/// An open store; clones are the same store.
#[derive(Clone, Debug)]
pub struct Store {}

/// Why the store did not do it.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// It cannot be opened; why and what to do, in words.
    #[error("{0}")]
    Open(String),
    /// It failed; nothing of the change was kept.
    #[error("the store failed: {0}")]
    Failed(String),
    /// The hub is stopping.
    #[error("the hub is stopping")]
    Closed,
}

#[allow(clippy::todo, unused_variables)]
impl Store {
    /// Opens, checks and migrates: `sqlite:PATH`, or `postgres://…`.
    pub async fn open(url: &str) -> Result<Self, StoreError> {
        todo!()
    }
}
