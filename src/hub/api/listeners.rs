//! How many live pages each person has open, so that nobody takes all of the hub's connections.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::http::StatusCode;

use super::problem::Problem;

/// Pages and commands that one person may have listening at once.
const MOST: usize = 50;

/// Open event streams by user; clones count the same.
#[derive(Clone, Default)]
pub struct Listeners(Arc<Mutex<HashMap<String, usize>>>);

/// One open stream; dropping it makes room for another.
pub struct Listening {
    all: Listeners,
    user: String,
}

impl Listeners {
    fn counts(&self) -> MutexGuard<'_, HashMap<String, usize>> {
        // Every change is a single insert or remove.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Room for one more stream of this user, if there is any.
    pub fn open(&self, user: &str) -> Result<Listening, Problem> {
        let mut counts = self.counts();
        let open = counts.get(user).copied().unwrap_or_default();
        if open >= MOST {
            let detail = format!("you have {open} event streams open, the most one person may; close some pages");
            return Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, detail));
        }
        counts.insert(user.to_owned(), open + 1);
        Ok(Listening { all: self.clone(), user: user.to_owned() })
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        let mut counts = self.all.counts();
        match counts.get(&self.user).copied() {
            Some(open) if open > 1 => drop(counts.insert(self.user.clone(), open - 1)),
            _ => drop(counts.remove(&self.user)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_that_ends_makes_room_and_each_person_has_their_own() {
        let listeners = Listeners::default();
        let mut open: Vec<_> = (0..MOST).map(|_| listeners.open("ada").ok().unwrap()).collect();
        assert!(listeners.open("ada").is_err() && listeners.open("bob").is_ok());
        open.pop();
        let again = listeners.open("ada");
        assert!(again.is_ok() && listeners.open("ada").is_err());
        drop((open, again));
        assert!(listeners.counts().is_empty());
    }
}
