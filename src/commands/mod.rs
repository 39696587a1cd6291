//! One file per command: what it wires together and what it prints.

pub mod bridge;
