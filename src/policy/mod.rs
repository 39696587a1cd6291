//! The user's policy: what a host may list and call, and what of it passes.
//!
//! This module decides and does nothing: no file, no clock, no request. It speaks the host's words, methods and results as
//! the host sees them, whatever era the server speaks. `bridge::enforcement` carries the decisions out, in this order: a
//! message names one thing only; access by name and annotation; sizes; arguments; limits. What passes that way is listed
//! too: one function decides for a list and for a call.

pub mod access;
pub mod arguments;
pub mod breaker;
mod catalog;
mod depth;
mod json_strings;
pub mod limit;
mod lists;
mod pattern;
pub mod pins;
mod refusal;
pub mod request;
pub mod results;
mod rule;
pub mod sanitize;
pub mod scan;
pub mod timeout;
mod tool_limits;

pub use catalog::{Catalog, Tool};
pub use lists::{Kind, Trimmed, elements, trim};
pub(crate) use pattern::folded;
pub use pattern::{Pattern, PatternError};
pub use refusal::{CIRCUIT_OPEN, RATE_LIMITED, REFUSED, Refusal};
pub use rule::{Filter, Limit, Origin, Rate, Rule, Rules};
pub use tool_limits::ToolLimits;
