//! Judgements from a record, a challenge and a refusal together: if a token is another one, if its scope is enough, if it
//! ought to be good.
//!
//! What follows from them is for `renew`, `sign_in`, `coordinate` and `unattended`.

use crate::auth::flow::trigger::{Current, Trigger};
use crate::auth::oauth::challenge::Challenge;
use crate::auth::oauth::scope::Scopes;
use crate::auth::oauth::token_endpoint;
use crate::auth::store::record::TokenRecord;

/// Seconds in which a token that is turned down was turned down at once.
pub(in crate::auth) const FRESH: u64 = 30;

/// Says whether this is not the token that is held.
pub(in crate::auth) fn is_other(entry: &TokenRecord, held: Option<&Current>) -> bool {
    held.is_none_or(|held| !entry.access.same_as(held.entry.access.expose()))
}

/// Says whether this token was issued a moment ago and is good for longer.
pub(in crate::auth) fn is_young(entry: &TokenRecord, now: u64) -> bool {
    now < entry.obtained_at + FRESH && !entry.has_expired(now)
}

/// Says whether this is not the token that was turned down.
pub(in crate::auth) fn is_other_than(why: &Trigger, entry: &TokenRecord) -> bool {
    match why {
        Trigger::Challenged {
            stale: Some(stale), ..
        } => !entry.access.same_as(stale.token.expose()),
        _ => true,
    }
}

/// Says whether its tokens are bound to a key, and the server now says that it takes others only.
pub(in crate::auth) fn is_of_another_kind(challenge: &Challenge, entry: &TokenRecord) -> bool {
    entry.is_bound() && !challenge.takes_dpop
}

/// Says whether this entry's scopes are what the challenge wants, as far as that can be told.
pub(in crate::auth) fn is_enough(challenge: &Challenge, entry: &TokenRecord) -> bool {
    let wanted = challenge.scope.as_deref().map(Scopes::parse);
    let wanted = wanted.unwrap_or_default();
    !challenge.wants_more_scope()
        || [&entry.scope_granted, &entry.scope_requested]
            .into_iter()
            .flatten()
            .next()
            .is_some_and(|scopes| scopes.covers(&wanted))
}

/// Says whether a refusal tells that a refresh token is over: itself, or with the client it was issued to.
pub(in crate::auth) fn is_over(error: &token_endpoint::Error) -> bool {
    error.is("invalid_grant") || error.is_about_client()
}
