//! Limits on asking again: no window and no request for what was refused a moment ago or would be the same again.

use crate::auth::Cause;
use crate::auth::flow::sign_in_status::SignInStatus;
use crate::auth::flow::token_checks::{is_of_another_kind, is_other_than, is_young};
use crate::auth::flow::trigger::Trigger;
use crate::auth::oauth::challenge::Challenge;
use crate::auth::oauth::discovery::AuthorizationServer;
use crate::auth::oauth::scope::Scopes;
use crate::auth::store::record::{TokenRecord, TokenState};
use crate::auth::text_limits::MAX_NAME;
use crate::text::plain;

/// Limits sign-ins that no user asked for: no window for a server that turns down the token it was just given, none for a
/// scope that was requested already, and never many in a row, by all processes together.
pub(in crate::auth) async fn may_sign_in(
    status: &SignInStatus,
    why: &Trigger,
    server: &AuthorizationServer,
    before: Option<&TokenRecord>,
    scope: Option<&Scopes>,
    now: u64,
) -> Result<(), Cause> {
    match why {
        Trigger::Challenged { challenge, .. } if challenge.wants_more_scope() => {
            if requested_before(before, scope) {
                return Err(scope_refused(challenge));
            }
        }
        _ => {
            let is_rejected =
                |before: &TokenRecord| is_turned_down(why, before) && is_young(before, now);
            if before.is_some_and(is_rejected) {
                return Err(rejected(server));
            }
        }
    }
    may_open_window(status, now).await
}

/// Limits requests of a grant without a user: no request that was turned down a moment ago or would be the same again.
pub(in crate::auth) fn may_request_grant(
    why: &Trigger,
    challenge: &Challenge,
    server: &AuthorizationServer,
    before: Option<&TokenRecord>,
    scope: Option<&Scopes>,
    now: u64,
) -> Result<(), Cause> {
    let Some(before) = before.filter(|_| !why.is_requested()) else {
        return Ok(());
    };
    if challenge.wants_more_scope() {
        return match requested_before(Some(before), scope) || scope.is_none() {
            true => Err(scope_refused(challenge)),
            false => Ok(()),
        };
    }
    match !is_other_than(why, before) && is_young(before, now) {
        true => Err(rejected(server)),
        false => Ok(()),
    }
}

/// Says whether few enough windows were shown of late.
pub(in crate::auth) async fn may_open_window(status: &SignInStatus, now: u64) -> Result<(), Cause> {
    let record = status.record().await;
    match record.too_many_windows(status.tried(), now) {
        Some((windows, last)) => Err(Cause::TooManyWindows {
            windows,
            last: last.map(|ended| ended.cause().into()),
        }),
        None => Ok(()),
    }
}

/// Says whether it is the record's own access token that was sent and turned down, and nothing is known to be wrong with the
/// rest of the record.
pub(in crate::auth) fn is_turned_down(why: &Trigger, record: &TokenRecord) -> bool {
    let Trigger::Challenged {
        stale: Some(_),
        challenge,
        ..
    } = why
    else {
        return false;
    };
    !challenge.wants_more_scope()
        && !is_of_another_kind(challenge, record)
        && !is_other_than(why, record)
        && record.state != TokenState::NeedsLogin
}

/// Says whether all of this scope was in the last request.
fn requested_before(before: Option<&TokenRecord>, scope: Option<&Scopes>) -> bool {
    let requested = before.and_then(|record| record.scope_requested.as_ref());
    requested.is_some_and(|requested| scope.is_none_or(|scope| requested.covers(scope)))
}

fn scope_refused(challenge: &Challenge) -> Cause {
    let scope = challenge.scope.as_deref();
    Cause::ScopeRefused {
        scope: scope.map(|text| plain(text, MAX_NAME)),
    }
}

fn rejected(server: &AuthorizationServer) -> Cause {
    Cause::Rejected {
        host: server.host(),
        is_renewable: false,
    }
}
