//! mcpipe: a stdio-to-HTTP MCP bridge. The library exists for the binary's own tests; no API is promised.
//!
//! A bridge has two banks and a road. The banks are I/O and know nothing of MCP; the road is MCP and does no I/O. One
//! loop owns everything that changes and moves frames between them. Signing in is a house beside the road that lends
//! out a credential and takes it back when it goes stale.
//!
//! ```text
//!  host ⇄ stdio ⇄ translator ⇄ exchange ⇄ https ⇄ remote
//!          edge   └──── the loop ───┘  ⇅      edge
//!                                  authorizer ⇄ vault
//! ```
//!
//! # The floors
//!
//! Imports point down; `tests/floors.rs` holds that.
//!
//! | Floor | Rooms |
//! | --- | --- |
//! | door | `main`, [`cli`], [`settings`], [`commands`], [`report`], [`logging`], [`limits`] |
//! | bridge | [`bridge`]: the loop, exchanges, debts, standing streams, receiving a host |
//! | edges | [`tls`], [`stdio`], [`remote`], [`auth`], [`store`], [`process`], [`random`], [`http_fields`], [`content_coding`], [`proxy`], [`redirect`], [`address_class`], [`ledger`], [`recorder`], [`server_cache`], [`named_file`] |
//! | rules | [`era`], [`sse`], [`auth::oauth::challenge`], [`auth::oauth::scope`], the vault's format under [`store`], [`transcript`] |
//! | words | [`frame`], [`secret`], [`text`], [`clock`], [`backoff`] |
//!
//! The two lowest floors have no `async`, no socket, no file, no clock and no randomness of their own: a test there is a
//! function call.
//!
//! # One frame's walk
//!
//! A line is read by a thread ([`stdio`]), outlined ([`frame::Frame`] keeps its text), and enters the loop
//! ([`bridge::run`]). The loop notes that its id is owed an answer and hands it to the translator ([`era`]), which pushes
//! actions: post it with these headers, reply that; what is known to be still good it answers itself. Each post is an exchange, a task of its own, which borrows the
//! credential, sends through a [`remote::Remote`], follows and resumes the response stream, and tells the loop what came.
//! The translator turns that into replies; the debt is crossed off; a thread writes one line.
//!
//! # One 401's walk
//!
//! The exchange keeps its frame and asks the [`auth::Authorizer`] for a better credential. If somebody has one newer than
//! the one that was refused, that is taken. Otherwise one climb begins, which belongs to the authorizer and not to the
//! request: look into the vault again, refresh, and only then a person. Everybody waits for the same climb, and every
//! exchange sends its own frame again. Meanwhile the host is received ([`bridge`]) and nothing it said is lost.

pub mod address_class;
pub mod auth;
pub mod backoff;
pub mod bridge;
pub mod cli;
pub mod clock;
pub mod commands;
pub mod content_coding;
pub mod era;
pub mod frame;
pub mod header_secrets;
pub mod http_fields;
pub mod ledger;
pub mod limits;
pub mod logging;
pub mod mcp_remote;
pub mod named_file;
pub mod process;
pub mod proxy;
pub mod random;
pub mod recorder;
pub mod redirect;
pub mod remote;
pub mod report;
pub mod secret;
pub mod server_cache;
pub mod settings;
pub mod sse;
pub mod stdio;
pub mod store;
pub mod text;
pub mod tls;
pub mod transcript;
