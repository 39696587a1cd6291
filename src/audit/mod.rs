//! `--audit`: a file with a line for each call and each decision, each line chained to the one before.
//!
//! [`chain`] is the format; [`Audit`] writes it, from several processes at once; [`verify`] finds lines that were lost,
//! changed or moved. Knows lines and their order: the bridge decides what they say.

pub mod chain;
mod error;
mod file;
pub mod head;
mod members;
mod read;
pub mod time;
pub mod verify;
mod writer;

pub use error::Error;
pub use file::beside;
pub use members::{Source, json};
pub use read::{ReadError, read};
pub use writer::{Audit, Options, PAUSE, Unwritable, content};

#[cfg(test)]
mod tests;
