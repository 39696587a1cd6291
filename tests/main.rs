//! What the binary promises, by behaviour.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on should stop; clippy knows only functions marked as tests for tests"
)]

/// Plays every transcript in `fixtures/`.
mod eras;
