//! Calls that ended before the server saw them: what the client says of them afterwards is not for the server either.

use std::collections::VecDeque;

/// So many are remembered; a client that takes a call back does it about when it is answered, not hundreds of calls later.
const MAX_UNSENT: usize = 64;

/// The keys of their request ids, oldest first.
#[derive(Default)]
pub(super) struct Unsent(VecDeque<String>);

impl Unsent {
    /// A call under this id ended without the server.
    pub(super) fn note(&mut self, key: &str) {
        self.forget(key);
        if self.0.len() == MAX_UNSENT {
            self.0.pop_front();
        }
        self.0.push_back(key.to_owned());
    }

    /// A new request has this id.
    pub(super) fn forget(&mut self, key: &str) {
        self.0.retain(|known| known != key);
    }

    /// Whether the newest request under this id was such a call.
    pub(super) fn holds(&self, key: &str) -> bool {
        self.0.iter().any(|known| known == key)
    }
}
