//! Changes with which a refused request is made once more: parts that the authorization server does not take and the user
//! has not insisted on are left out.
//!
//! Each flow says which of its requests may be repeated; a request that spends a code or an assertion is another matter
//! than one that spends nothing.

use crate::auth::oauth::observed_quirks::Adjustment;
use crate::auth::oauth::scope::Scopes;
use crate::auth::oauth::token_endpoint;
use crate::auth::settings::Settings;

/// Says whether mcpipe decides about the `resource` parameter, and not the user.
pub(in crate::auth) fn decides_on_resource(settings: &Settings) -> bool {
    settings.resource_parameter.is_none() && settings.send_resource.is_none()
}

/// Says whether a refusal is of the `resource` parameter, by its words, and the user does not insist on it.
pub(in crate::auth) fn is_of_resource(
    settings: &Settings,
    code: &str,
    description: Option<&str>,
) -> bool {
    decides_on_resource(settings)
        && Adjustment::of(code, description) == Some(Adjustment::NoResource)
}

/// Says the same of an error of the token endpoint.
pub(in crate::auth) fn is_about_resource(
    settings: &Settings,
    error: &token_endpoint::Error,
) -> bool {
    decides_on_resource(settings) && error.adjustment() == Some(Adjustment::NoResource)
}

/// Says whether the scope of a request that was refused for its scope may be left out.
pub(in crate::auth) fn may_leave_out_scope(settings: &Settings, scope: Option<&Scopes>) -> bool {
    scope.is_some() && settings.scope.is_none()
}
