//! Shims: their sessions, who is connected, and what they may make the hub write.

pub(in crate::hub) mod budget;
pub(in crate::hub) mod live;
pub(in crate::hub) mod meeting;
pub mod session;
