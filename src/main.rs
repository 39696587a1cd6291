//! A stdio-to-HTTP MCP bridge. (next)
fn main() {}
