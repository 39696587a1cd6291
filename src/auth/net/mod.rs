//! The sign-in's network: its HTTP client, the addresses it may connect to, the loopback listener, the browser.

pub(in crate::auth) mod address;
pub mod browser;
pub mod guard;
pub mod http;
pub mod loopback;
pub(in crate::auth) mod request_log;
pub(in crate::auth) mod resolver;
