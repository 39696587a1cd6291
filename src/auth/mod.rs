//! Signing in: how a credential is obtained, kept and added to requests.
//!
//! The server answers a request with 401; [`oauth::challenge`] reads the challenge; the exchange asks the
//! [`Authorizer`] for a newer credential. The authorizer tries the cheapest step first: a token that another process
//! has already put into the vault, a refresh, a sign-in by the user. A sign-in is a chain of evidence: each step
//! returns a value that only its module makes, and the next step needs that value.
//!
//! 1. [`oauth::discovery`]: the protected resource (RFC 9728), then its authorization server (RFC 8414), names compared;
//! 2. [`oauth::registration`]: the client there (pre-registered, a metadata document, or RFC 7591);
//! 3. [`oauth::scope`]: the scopes of the request;
//! 4. [`oauth::authorization_code`]: the browser goes out, [`net::loopback`] receives the callback, `state` and `iss` are
//!    checked;
//! 5. [`oauth::token_endpoint`]: the code becomes tokens; [`store::record`] is how they are kept.
//!
//! Where both servers support DPoP, the tokens are bound to a key of this client (`flow::dpop_policy`), and
//! [`oauth::dpop`] proves it with each request.
//!
//! Where several processes need the same sign-in, `flow::coordinate` decides which of them asks the user; a
//! [`flow::helper`] does it, a process that outlives the host. `flow::device` serves where no browser can come back
//! (RFC 8628). Where no user signs in at all, [`flow::unattended`] requests a token with what a program has to show.
//!
//! Nothing here knows eras, frames or sessions, except the words that an error needs to answer a frame.

pub mod access_token;
pub mod authorizer;
pub mod client;
mod credential;
mod error;
pub mod flow;
pub mod grant;
pub mod issuer_change;
pub mod net;
mod notice;
pub mod oauth;
mod settings;
mod shared;
mod state;
pub mod store;
mod text_limits;
pub mod user_key;

pub use authorizer::Authorizer;
pub use credential::Credential;
pub use error::{Cause, Error, ProviderError, UnattendedError};
pub use notice::{Announce, Notice, PendingSignIn, accounts, signed_in};
pub use oauth::id_token::User;
pub use settings::{Browser, Dpop, Environment, Helper, Pasted, SelectAccount, Settings};
