//! The hub: where people decide.
//!
//! Use cases are methods of [`Hub`]; they are the only place where a rule meets the store. `session` speaks to
//! shims, `api` to people; both call use cases and never SQL. The bus carries ids and only wakes: the store is the
//! truth.

pub mod model;
