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
//!  MCP client                                                              approver (browser, command line)
//!    │ stdin line                                                             │ decides          ▲ sees
//!    ▼                                                                        ▼                  │
//!  wrap::lines ─► core::frame ─► core::gate ─► wrap::hub_client          hub::api · hub::cli     │ hub::notify
//!                 what is it?    may it pass?      │                          │                  │ hub::api::events
//!                                hold it           │ wire, over a websocket   ▼                  │
//!                                                  └─► hub::shims::session ─► hub::approvals ─► hub::store
//!                                                            ▲                register · life      │
//!                                                            └──────── hub::live ◄── bus (ids) ────┘
//!  wrap::writer ◄─ wrap::relay ◄─ what the gate says: to the server, to the client, to the hub
//!    │ stdout line    │   ▲
//!    ▼                ▼   │
//!  MCP client       wrap::child: the real MCP server
//! ```
//!
//! [`wrap::relay`] is the shim's one task: it learns what happened, asks the gate, and does what the gate says.
//! [`hub::store`] has one writer: a change, its record and whom it tells are one transaction, and only after its commit
//! is anybody woken, by ids.
//!
//! # Layers: an arrow only goes down
//!
//! ```text
//!  bin/hitl-wrap    bin/hitl-hub        argv, exit code, signals
//!       │                │
//!    wrap::*          hub::*            tokio, sockets, children, SQL     (they never see each other)
//!       └──────┬─────────┘
//!    config · chance · telemetry · wire      files and environment · random numbers · logs · what the two say
//!    failpoint                               where tests let a debug build die
//!              │
//!             core                      pure: no async, no IO, no clock, no logging
//! ```
//!
//! Inside the hub the floors are:
//!
//! ```text
//!  cli                                                  the operator's commands
//!  serve                                                listeners, files, shutdown
//!  api → page                                           HTTP for people; the files of their page
//!  Hub · sweep                                          the rooms together; what happens by itself
//!  shims → agents → approvals → servers · people → notify      the rooms: use cases, and the only rules on rows
//!  live · who · error                                   who is connected, whose doing it is, what is refused
//!  store                                                the database and its record
//!  tallies · model · clock · quota · base_url           what is counted; what is in rows; time; budgets; our address
//! ```
//!
//! A room shows what its `mod.rs` names, and its other files are its own. No file of hub or wrap uses one that uses it.
//! `tests/integration/layers.rs` reads every path in the code and says so.
//!
//! # Invariants: who keeps them, and what proves it
//!
//! | promise | invariant | kept by | proved by |
//! |---|---|---|---|
//! | 1 | Nothing gated is written before *go* for exactly its digest, and then once | [`core::gate`], where it hears [`Answer::Go`](core::gate::Answer::Go): the entry is marked first | `core/gate/properties.rs`, over random events; `core/gate/hostile.rs`, over hostile bytes |
//! | 1 | An approval is decided once and released once, by the run of the shim that holds it | [`hub/approvals/life.rs`](../src/hitl/hub/approvals/life.rs.html): one conditional update for each move | `core/approval/life_tests.rs`, any story; `hub/approvals/tests.rs`, every move from every state, in SQL |
//! | 2 | What the approver saw is what runs | [`core::call::digest`], over the bytes, in the approval, in the release and in the *go* | `a_call_is_released_once_for_its_instance_and_digest_and_again_only_to_the_same` |
//! | 3 | What passes keeps its bytes and its order | [`wrap::lines`] and [`wrap::writer`]: slices, one writer for each direction | `tests/integration/transparent.rs`, byte for byte with real servers |
//! | 4 | When in doubt a gated call is refused with a sentence | [`core::weigh`] and [`core::reply`] | `core/weigh_table.rs`; `tests/integration/faults.rs` |
//! | 4 | Every held call is answered once, or never if its client took it back | [`core::gate`] | `core/gate/properties.rs`; `tests/integration/races.rs` |
//! | 4 | A row that contradicts itself is an error | `TryFrom<Columns>` of [`core::approval::Life`] | `rows_that_contradict_themselves_are_no_life` |
//! | 5 | Nothing but a person approves | [`core::approval::Life::after`]; [`hub/api/who.rs`](../src/hitl/hub/api/who.rs.html): a handler names the role it needs | `nothing_but_a_person_approves`; `an_agents_token_decides_nothing` |
//! | all | A change, its record and its notifications are one | [`hub/store/writer.rs`](../src/hitl/hub/store/writer.rs.html): one transaction; `record` in [`hub/approvals/life.rs`](../src/hitl/hub/approvals/life.rs.html) | `hub/tests/audit.rs`; kill loops in `tests/integration/crash.rs` |
//! | all | Who comes second changes nothing, and is told who was first | the conditional update; [`hub/approvals/decide.rs`](../src/hitl/hub/approvals/decide.rs.html) | `of_fifty_racing_deciders_one_wins_and_the_others_are_told_who` |

#![cfg_attr(test, expect(clippy::disallowed_methods, reason = "tests make their own surroundings"))]

/// Whatever a test waits for is there by then, or the test fails; on a machine that has much else to do, too.
#[cfg(test)]
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(180);

pub mod chance;
pub mod config;
pub mod core;
pub mod failpoint;
#[cfg(feature = "hub")]
pub mod hub;
pub mod telemetry;
pub mod wire;
#[cfg(feature = "wrap")]
pub mod wrap;
