//! Rows of channels, of browsers and of the outbox as values.

use serde::Serialize;

use super::message::Notice;
use crate::config::notify::Event;
use crate::hub::store::StoreError;
use crate::hub::store::rows::{Row, json, named, number, optional, optional_number, text};

/// How a channel does.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct State {
    /// Messages not yet sent, without those that are only planned for the last minute of an approval.
    pub waiting: i64,
    /// Messages given up within the last week.
    pub given_up: i64,
    /// When something was last sent, or failed to be.
    pub last_at: Option<i64>,
    /// Why the last one failed, in words; `None` when it did not.
    pub last_error: Option<String>,
}

/// A message that waits, claimed.
pub(super) struct Waiting {
    pub(super) id: String,
    pub(super) recipient: String,
    pub(super) event: Event,
    pub(super) notice: Notice,
    pub(super) attempts: i64,
}

/// A browser that is told when its page is closed.
#[derive(Clone, Debug, Serialize)]
pub struct Browser {
    /// Its id, made of its endpoint: a page can tell whether it is this one.
    pub id: String,
    /// What its owner calls it.
    pub name: String,
    /// Since when it is told, in unix milliseconds.
    pub added_at: i64,
    /// How it does.
    pub state: State,
}

/// How a channel does, with what is counted of its messages as `waiting` and `given_up`.
pub(super) fn state(row: &Row) -> Result<State, StoreError> {
    Ok(State {
        waiting: number(row, "waiting")?,
        given_up: number(row, "given_up")?,
        last_at: optional_number(row, "last_at")?,
        last_error: optional(row, "last_error")?,
    })
}

/// A row of `browsers`, with the state of its channel.
pub(super) fn browser(row: &Row) -> Result<Browser, StoreError> {
    Ok(Browser {
        id: text(row, "id")?,
        name: text(row, "name")?,
        added_at: number(row, "added_at")?,
        state: state(row)?,
    })
}

/// A row of `outbox`.
pub(super) fn waiting(row: &Row) -> Result<Waiting, StoreError> {
    Ok(Waiting {
        id: text(row, "id")?,
        recipient: text(row, "recipient")?,
        event: named(&text(row, "event")?, "event", Event::from_name)?,
        notice: json(&text(row, "payload")?, "notice")?,
        attempts: number(row, "attempts")?,
    })
}
