//! One request for a token without a user, as the grants see it.

use crate::auth::oauth::scope::Scopes;
use crate::auth::oauth::token_endpoint::Endpoint;
use crate::secret::Secret;

/// One request for a token.
pub(in crate::auth) struct TokenRequest<'a> {
    pub(in crate::auth) endpoint: Endpoint<'a>,
    pub(in crate::auth) issuer: &'a str,
    pub(in crate::auth) scope: Option<&'a Scopes>,
    /// The ID token of the user who signed in at the provider.
    pub(in crate::auth) vouched: Option<&'a Secret>,
    /// The user asks for it in so many words.
    pub(in crate::auth) is_told: bool,
}
