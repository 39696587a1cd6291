//! The steps of a renewal, the cheapest first: a token that another process stored, a refresh, a sign-in.
//!
//! The lock named for the credential is held from the second look into the vault until what a refresh brought is
//! written, so that of many processes one spends a rotating refresh token and the others find its result (RFC 9700
//! section 4.14). Nothing is deleted on failure: a refused token is marked, and only if it is still the stored one. A
//! sign-in has a lock of its own, because a user may take minutes and a refresh must not wait for one: see
//! [`crate::auth::flow::coordinate`].

use std::sync::Arc;

use crate::auth::Cause;
use crate::auth::flow::context::Context;
use crate::auth::flow::silent::{self, Silent};
use crate::auth::flow::trigger::{Origin, Start, Trigger};
use crate::auth::flow::{coordinate, limits, unattended};
use crate::auth::grant::GrantConfig;
use crate::auth::oauth::challenge::Challenge;
use crate::auth::store::record::TokenRecord;

/// Obtains a newer record, by the cheapest step that brings one.
pub(in crate::auth) async fn obtain(
    context: &Context,
    start: Start<'_>,
) -> Result<(TokenRecord, Origin), Cause> {
    let (store, why) = (&context.store, start.why);
    if !matches!(context.settings.grant, GrantConfig::User) {
        return unattended::obtain(context, start).await;
    }
    let held = start.held.as_ref();
    let (challenge, before) = match why {
        Trigger::Expiring => return silent::renew_in_time(context, held).await,
        Trigger::Requested(challenge) => {
            (challenge, store.stored().await?.map(|stored| stored.entry))
        }
        Trigger::Challenged { challenge, .. } => {
            match silent::without_user(context, held, why, challenge).await? {
                Silent::Obtained(record, origin) => return Ok((record, origin)),
                Silent::NeedsSignIn(before) => (challenge, before),
            }
        }
    };
    if !why.may_ask_user() {
        return Err(Cause::NoUser);
    }
    if !why.is_requested() {
        may_ask_user(context, challenge).await?;
    }
    coordinate::sign_in_once(context, why, challenge, before).await
}

/// Says whether the user is there, and has not just declined.
async fn may_ask_user(context: &Context, challenge: &Challenge) -> Result<(), Cause> {
    if context.leaving.is_cancelled() {
        return Err(Cause::Leaving);
    }
    if !context.settings.attended || context.unattended.is_cancelled() {
        return Err(Cause::NoUser);
    }
    let record = context.status.record().await;
    let now = context.now();
    match record.abandoned(context.status.tried(), now) {
        Some(ended) => Err(Cause::Abandoned(Arc::new(ended.cause()))),
        // What is wanted more is looked at first: it may be nothing new.
        None if challenge.wants_more_scope() => Ok(()),
        None => limits::may_open_window(&context.status, now).await,
    }
}
