//! Both real binaries with real MCP servers and clients. Run `tests/run`: it installs what these tests need.
//!
//! One binary, so that the product is linked once; each test has its own hub, data dir and ports.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    unreachable_pub,
    reason = "clippy knows the body of a #[test] as test code, but not what it calls"
)]

mod support;

mod activity;
mod approval;
mod bad_input;
mod cli;
mod completions;
mod config;
mod conformance;
mod crash;
mod decision_point;
mod demo;
#[cfg(target_os = "linux")]
mod disk;
mod docs;
mod drift;
mod enrol;
mod failpoints;
mod faults;
mod gated_clients;
mod hand_off;
mod hostile_server;
#[cfg(target_os = "linux")]
mod hubs;
mod install;
mod layers;
mod lifecycle;
mod local;
mod man;
mod notifications;
mod package;
mod policy;
mod policy_input;
mod postgres;
mod process;
mod races;
mod real_clients;
mod recorded_clients;
mod rest;
mod rules;
mod transparent;
mod verdicts;
mod way;
