//! Web Push: messages for browsers whose page is closed.
//!
//! The push service in between is chosen by the browser and sees only who is written to: the content is sealed for the
//! browser ([`seal`], RFC 8291), and the hub shows who it is with a key of its own ([`vapid`], RFC 8292).

mod browsers;
mod hosts;
mod message;
mod seal;
mod service;
mod vapid;

pub use self::browsers::{Keys, Subscription, forget_browsers};
pub(super) use self::browsers::{forget, heard_of};
pub(super) use self::vapid::Key;

/// What the channels of browsers are called; no other channel's id may begin so.
pub(super) const PREFIX: &str = "browser_";
