//! Stderr, arguments, files and browsers of the machine that mcpipe runs on.
