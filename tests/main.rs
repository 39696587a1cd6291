//! What the binary promises, by behaviour.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "clippy knows tests by their attribute, and not the functions they share"
)]

mod eras; // plays every transcript in fixtures/
mod vault; // what is kept: wrong passphrases, damaged files, private modes, many writers
