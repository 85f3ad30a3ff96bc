//! The shim: stands between an MCP client and a stdio MCP server.
