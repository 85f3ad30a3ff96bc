//! Approvals: registered, decided, held, swept and listed.

pub(in crate::hub) mod decide;
pub(in crate::hub) mod hold;
mod list;
pub(in crate::hub) mod register;
pub mod sweep;

pub use self::list::ApprovalFilter;

pub(in crate::hub) use self::list::page_size;
