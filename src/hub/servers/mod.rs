//! Servers: their tools as shims reported them, and the policy that people set on them.

pub(in crate::hub) mod bypasses;
pub mod decision_point;
pub(in crate::hub) mod drift;
pub(in crate::hub) mod lists;
pub(in crate::hub) mod policies;
mod removal;
pub(in crate::hub) mod set;
mod simulate;
