//! The steps of a renewal that need no user: a token that another process stored, then a refresh, under the credential's
//! lock.

use url::Url;

use crate::auth::Cause;
use crate::auth::flow::context::Context;
use crate::auth::flow::stored_refresh;
use crate::auth::flow::token_checks::{
    FRESH, is_enough, is_of_another_kind, is_other, is_other_than,
};
use crate::auth::flow::trigger::{Current, Origin, Trigger};
use crate::auth::net::http::{Http, host_of};
use crate::auth::oauth::challenge::Challenge;
use crate::auth::oauth::discovery::{self, Preference};
use crate::auth::oauth::token_endpoint;
use crate::auth::settings::Settings;
use crate::auth::store::record::{TokenRecord, TokenState};

/// Tokens that are issued in that time because the one before was turned down, or by a sign-in.
const MOST_ANEW: usize = 2;

/// The outcome of the steps that need no user.
pub(in crate::auth) enum Silent {
    Obtained(TokenRecord, Origin),
    /// The user has to sign in; with the stored record.
    NeedsSignIn(Option<TokenRecord>),
}

/// Renews a token that is about to end, unless another process has.
pub(in crate::auth) async fn renew_in_time(
    context: &Context,
    held: Option<&Current>,
) -> Result<(TokenRecord, Origin), Cause> {
    let _lock = context.store.lock().await?;
    let Some(stored) = context.store.stored().await? else {
        return Err(Cause::NoUser);
    };
    let now = context.now();
    if !stored.entry.is_due(now) && is_other(&stored.entry, held) {
        return Ok((stored.entry, Origin::Stored));
    }
    if stored.entry.state == TokenState::NeedsLogin || stored.entry.refresh.is_none() {
        return Err(Cause::NoUser);
    }
    let is_dead = stored.entry.has_expired(now);
    let origin = renewed_from(&stored.entry, held);
    let entry = stored_refresh::refresh(context, stored, is_dead).await?;
    Ok((entry, origin))
}

/// Takes the steps that need no user, under the credential's lock: the stored record, then a refresh.
pub(in crate::auth) async fn without_user(
    context: &Context,
    held: Option<&Current>,
    why: &Trigger,
    challenge: &Challenge,
) -> Result<Silent, Cause> {
    let _lock = context.store.lock().await?;
    let Some(mut stored) = context.store.stored().await? else {
        return Ok(Silent::NeedsSignIn(None));
    };
    let now = context.now();
    if is_other_than(why, &stored.entry)
        && is_enough(challenge, &stored.entry)
        && !stored.entry.has_expired(now)
    {
        return Ok(Silent::Obtained(stored.entry, Origin::Stored));
    }
    let is_refreshable = stored.entry.refresh.is_some()
        && stored.entry.state != TokenState::NeedsLogin
        && !challenge.wants_more_scope();
    if !is_refreshable {
        return Ok(Silent::NeedsSignIn(Some(stored.entry)));
    }
    // A token that ought to be good: once more, and then it is the server that has to be told of. A person could do no
    // better as long as the refresh token is good and is what the server wants.
    if !stored.entry.is_due(now) {
        let lately = stored.entry.issued_anew_within(FRESH, now);
        let is_other_kind = is_of_another_kind(challenge, &stored.entry);
        if lately > 0
            && (is_other_kind
                || has_moved(&context.http, &context.settings, challenge, &stored.entry).await)
        {
            return Ok(Silent::NeedsSignIn(Some(stored.entry)));
        }
        if lately >= MOST_ANEW {
            return Err(Cause::Rejected {
                host: issuer_host(&stored.entry),
                is_renewable: true,
            });
        }
        stored.entry.is_issued_anew(now);
    }
    let origin = renewed_from(&stored.entry, held);
    match stored_refresh::refresh(context, stored, true).await {
        Ok(entry) => Ok(Silent::Obtained(entry, origin)),
        Err(why) if is_final(&why) => Err(why),
        Err(why) => {
            tracing::info!(%why, "the refresh token is of no use");
            let before = context.store.stored().await?.map(|stored| stored.entry);
            Ok(Silent::NeedsSignIn(before))
        }
    }
}

/// Says whether a failed refresh ends the renewal, because a sign-in would not help.
fn is_final(why: &Cause) -> bool {
    // Failed is not refused: the user is not sent to a browser because a server was down.
    why.is_passing()
        // A client of the user's own that is not taken would not be taken after a sign-in either.
        || matches!(
            why,
            Cause::Vault(_)
                | Cause::Network(_)
                | Cause::Registration(_)
                | Cause::Tokens(
                    token_endpoint::Error::NoKey(_)
                        | token_endpoint::Error::Unusable {
                            successor: Some(_),
                            ..
                        },
                )
        )
}

/// Says whether the server now names another authorization server (SEP-2352). One that cannot be asked says nothing.
async fn has_moved(
    http: &Http,
    settings: &Settings,
    challenge: &Challenge,
    entry: &TokenRecord,
) -> bool {
    let named = challenge.resource_metadata.as_deref();
    let resource = discovery::protected_resource(http, &settings.url, named).await;
    let Ok(resource) = resource else {
        return false;
    };
    let preference = Preference {
        fixed: settings.authorization_server.as_deref(),
        held: Some(&entry.issuer),
        expected: settings.expected_issuer.as_deref(),
        pkce: !settings.assume_pkce,
    };
    // As long as it is named it need not be asked: that it is down is no move to one that is named beside it.
    if preference.fixed.is_none() && resource.names(&entry.issuer) {
        return false;
    }
    discovery::authorization_server(http, &resource, preference)
        .await
        .is_ok_and(|server| server.issuer() != entry.issuer)
}

/// Returns the origin of a renewal of this record. Its sign-in is known only if it is the record that was held.
fn renewed_from(stored: &TokenRecord, held: Option<&Current>) -> Origin {
    if is_other(stored, held) {
        Origin::TakenOver
    } else {
        Origin::Refreshed
    }
}

/// The authorization server of an entry, for people.
fn issuer_host(entry: &TokenRecord) -> String {
    let url = Url::parse(&entry.issuer).ok();
    host_of(url.as_ref().unwrap_or(&entry.token_endpoint))
}
