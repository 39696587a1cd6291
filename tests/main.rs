//! What the binary promises.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test says that it failed by panicking"
)]

mod login; // from 401 to a credential, and everything that can go wrong on the way
mod support;
