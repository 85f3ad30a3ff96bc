//! Settings of both programs: one file, the environment, and where things lie on this machine.
//!
//! Highest first: flag, environment (`HITL_` and the key in capitals), `config.toml`, default.

#[cfg(feature = "hub")]
pub mod database;
pub mod env;
pub mod file;
#[cfg(feature = "hub")]
pub mod hub;
mod meant;
pub mod notify;
pub mod paths;
pub mod private;
pub mod secret;
pub mod way;
#[cfg(feature = "wrap")]
pub mod wrap;
