//! The shim: stands between an MCP client and a stdio MCP server.

pub mod child;
pub mod ends;
pub mod lines;
pub mod say;
pub mod threads;
pub mod writer;
