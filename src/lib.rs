//! hitl holds the risky tool calls of AI agents until a person approves them.
//!
//! # The promise
//!
//! 1. No gated call reaches the server without an approval of exactly that call, and at most once.
//! 2. What the approver saw is what runs, to the byte.
//! 3. Everything that is not gated passes as if we were not there: same bytes, same order, same exit code.
//! 4. When in doubt (hub away, timeout, bad answer, unknown tool, broken policy) a gated call is refused with a
//!    sentence that the model and its user understand. Never approved.
//! 5. Nothing an agent holds can approve anything.
//!
//! # The way of a call
//!
//! ```text
//!  MCP client                                                              approver (browser, CLI)
//!    │ stdin line                                                              ▲        │ decision
//!    ▼                                                                         │        ▼
//!  wrap::lines ─► core::frame ─► core::policy ─► core::gate ─► wrap::hub_client ═ws═► hub::session ─► use cases ─► store
//!    ▲             (what is it)   (may it pass?)   (hold it)     (ask)              (hear)          (decide)   (remember)
//!    │ stdout line                                  │                                  ▲               │
//!    └──────────── wrap::relay ◄── ToServer · ToClient · ToHub                         └──── bus ◄─────┘ (wake)
//!                       │  ▲
//!                       ▼  │
//!                  wrap::child (the real MCP server)
//! ```
//!
//! # Layers: an arrow only goes down
//!
//! ```text
//!  bin/hitl-wrap    bin/hitl-hub        argv, exit code, signals
//!       │                │
//!    wrap::*          hub::*            tokio, sockets, children, SQL     (they never see each other)
//!       └──────┬─────────┘
//!    config · telemetry · wire          files and environment · logs · what wrap and hub say to each other
//!              │
//!             core                      pure: no async, no IO, no clock, no logging
//! ```
//!
//! # Invariants, and who keeps them
//!
//! - A held call leaves [`core::gate`] towards the server only after the hub said *go* for its digest; the entry is
//!   marked first and written once.
//! - A decision is one conditional update in the store, with its audit record in the same transaction; the loser of a
//!   race is told who won.
//! - Every held call is answered exactly once, or never, if its client took it back.
//! - Bytes that pass are the bytes that came; only frames of our own are ever serialised.

pub mod config;
pub mod core;
#[cfg(feature = "hub")]
pub mod hub;
pub mod telemetry;
pub mod wire;
#[cfg(feature = "wrap")]
pub mod wrap;
