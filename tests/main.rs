//! What mcpipe promises, by behaviour. All traffic stays on loopback; every server binds port 0.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "clippy knows tests by their attribute, and not the functions they share"
)]

mod support; // servers told what to answer, hosts in process or as the real binary

mod door; // help, version, bad input, exit codes
mod eras; // plays every transcript in fixtures/
mod floors; // imports point down
mod leaving; // end of file, signals, broken pipes, remotes that are dead: debts paid, nobody waits
mod passthrough; // what goes through unchanged, byte for byte, and what travels beside it
mod sessions; // opened in order, opened again when lost
mod vault; // what is kept: wrong passphrases, damaged files, private modes, many writers
