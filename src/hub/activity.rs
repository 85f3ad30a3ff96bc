//! The activity log: every call the shims reported, bounded.

use super::Hub;
use super::model::{ActivityRow, Page};
use super::store::StoreError;

/// Which calls; what is left out does not narrow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ActivityFilter {
    /// The server's exact name.
    pub server: Option<String>,
    /// The tool's exact name.
    pub tool: Option<String>,
    /// An agent's client id or name.
    pub agent: Option<String>,
    /// `pass`, `bypass`, `gate` or `deny`.
    pub verdict: Option<String>,
    /// At most so many; 50 when nothing is said, never more than 500.
    pub limit: Option<u32>,
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
}

#[allow(clippy::todo, unused_variables)]
impl Hub {
    /// A page of calls, newest first.
    pub async fn activity(&self, filter: &ActivityFilter) -> Result<Page<ActivityRow>, StoreError> {
        todo!()
    }
}
