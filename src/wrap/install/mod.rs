//! `hitl-wrap install`, `uninstall` and `status`: the shim in front of the servers in the files of MCP clients.
//!
//! Every change is planned and shown first, is made of a few exchanged bytes, and can be undone to the byte: a journal
//! keeps the file as it was, and the arguments themselves carry the server's own command.

pub mod clients;
pub mod command;
pub mod edit;
pub mod entry;
pub mod file;
pub mod journal;
pub mod place;
pub mod plan;
pub mod remote;
pub mod show;
pub mod splice;
pub mod status;
pub mod survey;
#[cfg(test)]
mod tests;
pub mod tree;
