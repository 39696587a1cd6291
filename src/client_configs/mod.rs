//! The configuration files of MCP hosts, in which a person lists servers: where they are, what is in them, and how an
//! entry looks.
//!
//! [`hosts`] is the table of hosts, a row each, and the one place that knows their files; `import` and `client` read it.
//! [`places`] makes paths of it for a system and an environment, [`servers`] finds the programs in a text, and [`edit`]
//! changes one entry of it. All of that is pure. [`files`] opens files by the rules about their authors.

pub mod edit;
pub mod files;
pub mod host;
pub mod hosts;
pub mod places;
pub mod servers;
