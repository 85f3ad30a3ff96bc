//! The head of the audit chain.

/// The last record's place and hash.
#[derive(Clone)]
pub(super) struct Head {
    pub(super) seq: i64,
    pub(super) hash: String,
}
