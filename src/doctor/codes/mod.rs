//! The tables of codes, by subject.

pub(super) mod engine;
pub(super) mod here;
pub(super) mod network;
pub(super) mod server;

use super::code::Code;

/// The tables, in the order of the checks.
pub(super) static TABLES: &[&[&Code]] =
    &[engine::CODES, network::CODES, server::CODES, here::CODES];
