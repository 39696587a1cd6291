//! Checks that audit files are as they were written, and names the first fault and its place.
//!
//! Reads lines and opens nothing. A fault is a description of what the lines show; a program that can write the files can
//! also compute every hash anew, and that shows only by a hash that was noted elsewhere.

mod chains;
mod fault;
mod scan;

pub use chains::{Chain, FoundHead, ScannedFile, chains};
pub use fault::{Fault, Kind};
pub use scan::{First, Rest, Scan, Wanted, scan, scan_behind};

#[cfg(test)]
mod tests;
