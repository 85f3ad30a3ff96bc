//! What an agent's connections share, so that many of them come to no more than a few.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::Semaphore;

use crate::core::ids::ClientId;

/// So many permits for each agent; clones are the same.
#[derive(Clone)]
pub struct Turns {
    each: usize,
    of: Arc<Mutex<HashMap<ClientId, Weak<Semaphore>>>>,
}

impl Turns {
    /// None is taken.
    pub fn new(each: usize) -> Self {
        Self { each, of: Arc::default() }
    }

    /// The permits that this agent's connections share.
    pub fn of(&self, agent: &ClientId) -> Arc<Semaphore> {
        // Every change is a single insert or remove.
        let mut all = self.of.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(agent).and_then(Weak::upgrade).unwrap_or_else(|| {
            all.retain(|_, own| own.strong_count() > 0);
            let own = Arc::new(Semaphore::new(self.each));
            all.insert(agent.clone(), Arc::downgrade(&own));
            own
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_of_one_agent_share_and_others_have_their_own() {
        let turns = Turns::new(1);
        let (one, again, other) = (turns.of(&"a".into()), turns.of(&"a".into()), turns.of(&"b".into()));
        let _taken = one.try_acquire().unwrap();
        assert!(again.try_acquire().is_err() && other.try_acquire().is_ok());
    }
}
