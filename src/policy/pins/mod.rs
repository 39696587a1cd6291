//! Pins: the definitions of tools and prompts and the instructions that the user has accepted of a server.
//!
//! `canonical` makes one text of all spellings of a definition, `definition` reads one and takes its digest, `set` is the
//! pinned set with what differs from it, `view` the set with what one bridge has seen, `diff` and `likeness` show the
//! differences. Nothing here stores or sends.

mod canonical;
pub mod definition;
pub mod diff;
mod likeness;
pub mod set;
pub mod view;
mod words;
