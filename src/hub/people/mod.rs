//! People.
//!
//! Passwords are argon2id; tokens are 256-bit random and stored as SHA-256. A user's token opens the API, an agent's
//! token only the shim's websocket, and no code path turns one into the other.

mod browser_sessions;
mod command;
pub mod links;
mod password;
mod personal;
mod row;
mod users;

pub use self::browser_sessions::{BrowserSessions, USER_KEY, key as session_key};
pub use self::row::PersonalToken;
pub(super) use self::row::user as user_of;
pub use self::users::UserChange;
pub(super) use self::users::{find as find_user, insert as insert_user};

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

    /// Browser sessions, for the layer that keeps them.
    pub fn browser_sessions(&self) -> BrowserSessions {
        BrowserSessions(self.store.clone())
    }

    fn now(&self) -> i64 {
        self.clock.now()
    }
}
