//! The hub's rules against real stores, with time in the test's hands.

mod accounts;
mod audit;
mod decisions;
mod desk;
mod hand_off;
mod releases;
#[cfg(feature = "wrap")]
mod sessions;
mod store;
