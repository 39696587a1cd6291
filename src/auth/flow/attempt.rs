//! One attempt to get new tokens, at the authorization server that was found for it.

use crate::auth::flow::previous::Previous;
use crate::auth::flow::token_request;
use crate::auth::oauth::discovery::{AuthorizationServer, ProtectedResource};
use crate::auth::oauth::scope::Scopes;
use crate::auth::settings::Settings;

/// One attempt to get new tokens: a sign-in, or a grant without a user.
pub(in crate::auth) struct Attempt<'a> {
    /// The name in the status of the sign-in, which no other process can guess; empty for a grant without a user, which
    /// leaves no status.
    pub(in crate::auth) name: &'a str,
    /// True if the user asked for it in so many words, and so sees when it goes on.
    pub(in crate::auth) is_requested: bool,
    pub(in crate::auth) resource: &'a ProtectedResource,
    pub(in crate::auth) server: &'a AuthorizationServer,
    pub(in crate::auth) scope: Option<Scopes>,
    /// True if the tokens to come are bound to a key.
    pub(in crate::auth) uses_dpop: bool,
    pub(in crate::auth) previous: Previous,
}

impl Attempt<'_> {
    /// Returns the `resource` parameter of the next request.
    pub(in crate::auth) fn resource_parameter(&self, settings: &Settings) -> Option<String> {
        let learned = &self.previous.learned;
        token_request::resource_parameter(settings, self.resource, self.server, learned)
    }
}
