//! Telling people and programs about approvals.
//!
//! Rows of the `outbox` are written in the transaction of what they tell of ([`outbox`]); the [`courier`] sends them
//! from there, at least once, never in the way of a request. What a message says is in [`message`], how it looks in
//! each place in [`kinds`] and, for browsers, in [`push`]. A message never decides anything: its link opens the page.

mod address;
mod channels;
mod check;
mod courier;
mod http;
mod kinds;
mod message;
mod outbox;
mod push;
mod quiet;
mod text;
mod view;

pub use self::channels::{Change, Changed};
pub(in crate::hub) use self::outbox::tell;
pub use self::push::{Browser, Keys, Subscription};
pub(in crate::hub) use self::push::{Key as PushKey, forget_user as forget_browsers};
pub use self::view::{State, View};

use std::time::Duration;

use super::Hub;
use crate::config::notify::Channel;

/// An endpoint that says nothing for so long is not there.
const TIMEOUT: Duration = Duration::from_secs(5);

impl Hub {
    /// Sends what is due, until shutdown, and then for at most ten seconds what is due by then.
    ///
    /// Several hubs on one store may do this; every message is claimed by one of them.
    pub async fn run_notifications(&self) {
        self.run_notifications_within(TIMEOUT).await;
    }

    /// The same with another time in which an endpoint must answer.
    pub(in crate::hub) async fn run_notifications_within(&self, timeout: Duration) {
        courier::run(self, timeout).await;
    }
}

/// Why these channels of the config file cannot be used, if they cannot.
pub fn check_file(channels: &[Channel]) -> Result<(), String> {
    check::of_file(channels)
}
