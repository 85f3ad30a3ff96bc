//! The stories of a held call, one sentence each.

mod deciding;
mod forged;
mod hub_away;
mod lists;
mod long;
mod progress;
mod refusing;
mod retries;
mod ruling;
mod stand;
mod taking_back;

pub(super) use self::stand::{Stand, call, ruling, table};
