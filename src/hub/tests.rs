//! The hub's rules against real stores, with time in the test's hands.

mod accounts;
mod activity;
mod audit;
#[cfg(feature = "wrap")]
mod bounds;
mod decision_point;
mod decisions;
pub(super) mod desk;
mod hand_off;
mod history;
mod insights;
mod large;
mod leases;
mod notifications;
mod pairs;
#[cfg(feature = "wrap")]
mod policy;
mod releases;
#[cfg(feature = "wrap")]
mod removal;
#[cfg(feature = "wrap")]
mod sessions;
mod statements;
mod store;
#[cfg(feature = "wrap")]
mod verdicts;
