//! The RFCs of OAuth and OpenID Connect, one file each: messages, rules, and the checks of servers.

pub mod authorization_code;
pub mod challenge;
pub mod client_auth;
pub mod discovery;
pub mod dpop;
pub(in crate::auth) mod extension_grant;
pub mod id_token;
pub mod jws;
pub mod known_providers;
pub(in crate::auth) mod metadata_urls;
pub(in crate::auth) mod oauth2_adapter;
pub mod observed_quirks;
pub(in crate::auth) mod prompt;
pub mod registration;
pub(in crate::auth) mod revocation;
pub mod scope;
pub mod token_endpoint;
pub(in crate::auth) mod token_response;
