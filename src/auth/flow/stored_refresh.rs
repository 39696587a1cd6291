//! The refresh of a stored record, and what its outcome leaves in the vault: the new tokens, or the count of refusals.
//!
//! Nothing is deleted on failure: a refused token is marked, and only if it is still the stored one. The caller holds the
//! credential's lock.

use std::time::Duration;

use crate::auth::Cause;
use crate::auth::flow::context::Context;
use crate::auth::flow::dpop_policy;
use crate::auth::flow::endpoint_failures::Failures;
use crate::auth::flow::refresh;
use crate::auth::flow::token_checks::is_over;
use crate::auth::net::http::{self, host_of};
use crate::auth::notice::Notice;
use crate::auth::oauth::revocation::revoke;
use crate::auth::oauth::token_endpoint::{self, TokenSet};
use crate::auth::store::credential_store::{CredentialStore, StoredTokens, revision};
use crate::auth::store::record::{TokenRecord, TokenState};
use crate::random;

/// The longest time for revoking what is left.
const REVOCATION_PATIENCE: Duration = Duration::from_secs(5);
/// Refusals of one refresh token, while its access token works, until it counts as dead.
const STRIKES: u32 = 3;

/// Refreshes the record. `is_dead` says that the access token is of no use any more, so that one refusal is enough.
pub(in crate::auth) async fn refresh(
    context: &Context,
    stored: StoredTokens,
    is_dead: bool,
) -> Result<TokenRecord, Cause> {
    let StoredTokens {
        name,
        rev,
        mut entry,
    } = stored;
    let sent_at = context.now();
    let error = match request(context, &mut entry).await? {
        Ok(tokens) => {
            entry.renew(tokens, sent_at, random::fraction());
            context.store.save(&name, &entry, revision(rev)).await;
            return Ok(entry);
        }
        Err(error) => error,
    };
    if let Some(status) = failing(&error)
        && let Some(seconds) = failing_for_good(&context.store, context.now(), &entry).await
    {
        return Err(token_endpoint::Error::Failing {
            host: host_of(&entry.token_endpoint),
            status,
            minutes: seconds / 60,
        }
        .into());
    }
    let stored = StoredTokens { name, rev, entry };
    leave_refusal(context, stored, &error, is_dead).await;
    Err(error.into())
}

/// Requests the tokens. Those of another user count as an error of the endpoint.
async fn request(
    context: &Context,
    entry: &mut TokenRecord,
) -> Result<Result<TokenSet, token_endpoint::Error>, Cause> {
    let Some(token) = entry.refresh.clone() else {
        return Err(Cause::NoUser);
    };
    let prover = dpop_policy::prover_of(&context.hints, entry);
    let Context { settings, http, .. } = context;
    match refresh::refresh(http, settings, prover.as_ref(), entry, &token).await {
        Ok(tokens) if entry.is_for_another(&tokens) => Ok(Err(token_endpoint::Error::OtherUser {
            host: host_of(&entry.token_endpoint),
        })),
        Ok(tokens) => Ok(Ok(tokens)),
        Err(Cause::Tokens(error)) => Ok(Err(error)),
        Err(why) => Err(why),
    }
}

/// Writes to the record what a refusal says about the refresh token and the client, if it says anything.
async fn leave_refusal(
    context: &Context,
    stored: StoredTokens,
    error: &token_endpoint::Error,
    is_dead: bool,
) {
    let StoredTokens {
        name,
        rev,
        mut entry,
    } = stored;
    let store = &context.store;
    match error {
        token_endpoint::Error::Refused { code, .. } if is_over(error) || is_wordless(error) => {
            entry.strikes += 1;
            let is_out = is_dead || entry.strikes >= STRIKES;
            entry.state = if is_out {
                TokenState::NeedsLogin
            } else {
                TokenState::Suspect
            };
            entry.last_error = Some(code.clone());
            store.save(&name, &entry, revision(rev)).await;
            if is_out && is_over(error) {
                give_up(context, &entry, is_dead);
            } else if is_out {
                tell_signed_out(context, &entry, is_dead);
            }
        }
        // The access token that came is of no use, and the refresh token beside it is the only one left.
        token_endpoint::Error::Unusable {
            successor: Some(token),
            ..
        } => {
            entry.refresh = Some(token.clone());
            store.save(&name, &entry, revision(rev)).await;
        }
        // What came in its place is not taken, and it may be spent: only a sign-in says what the server wants now.
        token_endpoint::Error::Unbound { .. } => {
            tracing::warn!(issuer = %entry.issuer, "DPoP is no longer kept to; a sign-in is needed");
            mark_dead(&mut entry, "unbound_token");
            store.save(&name, &entry, revision(rev)).await;
            give_up(context, &entry, is_dead);
        }
        // OpenID Connect Core section 12.2: a renewal is for the user who has signed in. Another user's tokens are not used,
        // and the refresh token of before is spent.
        token_endpoint::Error::OtherUser { .. } => {
            tracing::warn!(issuer = %entry.issuer, "the renewal is for another user; a sign-in is needed");
            mark_dead(&mut entry, "other_user");
            store.save(&name, &entry, revision(rev)).await;
            give_up(context, &entry, is_dead);
        }
        _ => {}
    }
    if error.is_about_client() {
        store
            .forget_registration(&entry.issuer, &entry.client)
            .await;
    }
}

/// Marks the refresh token as one that only a sign-in replaces.
fn mark_dead(entry: &mut TokenRecord, code: &str) {
    entry.state = TokenState::NeedsLogin;
    entry.last_error = Some(code.to_owned());
}

/// Notes one more renewal of this entry that met a token endpoint that is there and fails, and tells for how many
/// seconds, if it fails for good. The note is beside the vault, for all processes: what is kept does not change because
/// a server is down.
async fn failing_for_good(store: &CredentialStore, now: u64, entry: &TokenRecord) -> Option<u64> {
    let name = store.lock_name("failing");
    let note = store.vault().side_file(&name).await.ok().flatten();
    let before = note.and_then(|note| Failures::read(&note, entry.obtained_at));
    let failures = Failures::and(before, now);
    let note = failures.write(entry.obtained_at);
    if let Err(why) = store.vault().write_side_file(&name, &note).await {
        tracing::debug!(%why, "other processes will not know that the token endpoint fails");
    }
    failures.for_good()
}

/// Tells the user while the access token still works and no request would show it; later the remote's challenge does.
fn tell_signed_out(context: &Context, entry: &TokenRecord, is_dead: bool) {
    if !is_dead {
        context.settings.announce.tell(&Notice::SignedOut {
            issuer: &entry.issuer,
            resource: &entry.resource,
        });
    }
}

/// Revokes what is left of a sign-in that cannot be renewed, as far as possible.
fn give_up(context: &Context, entry: &TokenRecord, is_dead: bool) {
    tell_signed_out(context, entry, is_dead);
    let (Some(url), Some(token)) = (entry.revocation_endpoint.clone(), entry.refresh.clone())
    else {
        return;
    };
    let (http, client) = (context.http.clone(), entry.client.clone());
    context.tasks.spawn(async move {
        let work = revoke(&http, &url, &client, &token, "refresh_token");
        match tokio::time::timeout(REVOCATION_PATIENCE, work).await {
            Ok(Ok(())) => {}
            ended => tracing::debug!(?ended, "the refused token could not be revoked"),
        }
    });
}

/// The status of a token endpoint that is there and fails: not one that asks for patience, nor a page in its place with
/// a success. A network that is down says nothing of it.
fn failing(error: &token_endpoint::Error) -> Option<u16> {
    match error {
        token_endpoint::Error::Failed(http::Error::Unavailable { status, .. })
            if *status >= 400 && ![408, 429].contains(status) =>
        {
            Some(*status)
        }
        _ => None,
    }
}

/// Says whether a refusal had no words of RFC 6749 section 5.2. It is one all the same, and nothing is revoked for it.
fn is_wordless(error: &token_endpoint::Error) -> bool {
    error.is("http_400") || error.is("http_401")
}
