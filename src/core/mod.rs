//! The rules of both roles, pure: no async, no IO, no clock, no logging.
//!
//! What a line is ([`frame`]), what a call is ([`call`]), how far a tool is trusted ([`trust`]), what policy says
//! of a call ([`policy`]; the hub finds it by `weigh` and `rules`), which states an approval has ([`approval`]), and the
//! machine that holds calls ([`gate`]). Time is always an argument.

pub mod alike;
pub mod approval;
pub mod call;
#[cfg(feature = "hub")]
pub mod differing;
pub mod extra;
pub mod frame;
pub mod gate;
pub mod ids;
pub mod inert;
pub mod json;
pub mod messages;
pub mod names;
pub mod outline;
pub mod patience;
pub mod peek;
#[cfg(feature = "hub")]
mod pointer;
pub mod policy;
pub mod proof;
pub mod reply;
#[cfg(feature = "hub")]
pub mod rules;
pub mod trust;
#[cfg(feature = "hub")]
pub mod weigh;
#[cfg(all(test, feature = "hub"))]
pub(crate) mod weigh_table;
