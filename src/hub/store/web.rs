//! Browser sessions for `tower-sessions`.
//!
//! The session's entry `user` names its owner: removing the user or setting a password ends the session.

use std::pin::Pin;

use tower_sessions::session::{Id, Record};
use tower_sessions::session_store::{Result, SessionStore};

use super::Store;

type Answer<'t, T> = Pin<Box<dyn Future<Output = Result<T>> + Send + 't>>;

/// The key of the session entry that holds the user's name, as a JSON string.
pub const USER_KEY: &str = "user";

/// Browser sessions in the store.
#[derive(Clone, Debug)]
pub struct WebSessions(pub Store);

#[allow(clippy::todo, unused_variables)]
impl SessionStore for WebSessions {
    fn create<'a, 'b, 't>(&'a self, record: &'b mut Record) -> Answer<'t, ()>
    where
        'a: 't,
        'b: 't,
        Self: 't,
    {
        todo!()
    }

    fn save<'a, 'b, 't>(&'a self, record: &'b Record) -> Answer<'t, ()>
    where
        'a: 't,
        'b: 't,
        Self: 't,
    {
        todo!()
    }

    fn load<'a, 'b, 't>(&'a self, id: &'b Id) -> Answer<'t, Option<Record>>
    where
        'a: 't,
        'b: 't,
        Self: 't,
    {
        todo!()
    }

    fn delete<'a, 'b, 't>(&'a self, id: &'b Id) -> Answer<'t, ()>
    where
        'a: 't,
        'b: 't,
        Self: 't,
    {
        todo!()
    }
}
