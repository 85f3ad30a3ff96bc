//! People.
//!
//! Passwords are argon2id; tokens are 256-bit random and stored as SHA-256. A user's token opens the API, an agent's
//! token only the shim's websocket, and no code path turns one into the other.

mod browser_sessions;
mod command;
mod links;
mod password;
mod personal;
mod row;
mod users;

pub use self::browser_sessions::{BrowserSession, Halves, IDLE_MS, Stay};
pub use self::links::LinkKind;
pub use self::row::{PersonalToken, user_of};
pub use self::users::UserChange;

/// Names for the first administrator, the best one first.
pub(super) fn admin_names(best: &str) -> impl Iterator<Item = String> {
    let others = (2..100).map(|number| format!("admin-{number}"));
    let names = [best.to_owned(), "admin".to_owned()].into_iter().chain(others);
    names.filter(|name| check_name(name).is_ok())
}
use crate::hub::clock::Clock;
use crate::hub::store::Store;
use crate::hub::who::check_name;

/// The room of people; clones are the same.
#[derive(Clone)]
pub struct People {
    store: Store,
    clock: Clock,
}

impl People {
    /// The people of a store.
    pub(super) fn new(store: Store, clock: Clock) -> Self {
        Self { store, clock }
    }

    fn now(&self) -> i64 {
        self.clock.now()
    }
}
