//! A token for a program of the user's, which comes once and cannot ask again: `mcpipe token`.
//!
//! What a bridge would use is lent, by the same ladder and under the same lock. Only the patience differs: a bridge sends
//! what still works and renews meanwhile, a script gets what works for a while. Never leads to a sign-in.

use std::fmt;

use crate::auth::authorizer::Authorizer;
use crate::auth::oauth::challenge::Challenge;
use crate::auth::shared::Trigger;
use crate::auth::store::record::Entry;
use crate::auth::{Cause, Error};
use crate::secret::Secret;

/// Seconds a token should last when it is handed out. Of one that lives shorter than twice that, half its life.
const ENOUGH: u64 = 60;
/// A token this close to its end (seconds) is not worth handing out, whatever else fails.
const LEEWAY: u64 = 5;

/// A token to be shown as `Authorization: Bearer`, unless it is bound.
#[derive(Clone)]
pub struct AccessToken {
    /// The token.
    pub token: Secret,
    /// When it ends, in seconds since 1970, if that is known.
    pub expires_at: Option<u64>,
    /// The server it is for.
    pub resource: String,
    /// Whether it is worth nothing without a key, which is not lent (RFC 9449).
    pub is_bound: bool,
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Lent({})", self.resource)
    }
}

impl Authorizer {
    /// A token that lasts: renewed first, and waited for, if it is due or soon over. `None` if none is held, or what is
    /// held is over and nobody renews it. `probe` finds out what the server wants, where a first token is asked for.
    ///
    /// # Errors
    /// It has to be renewed, and cannot be for a reason that may pass.
    pub async fn access_token(
        &self,
        probe: impl AsyncFnOnce() -> Challenge,
    ) -> Result<Option<AccessToken>, Error> {
        let Some(shared) = &self.shared else {
            return Ok(None);
        };
        shared.look().await;
        let held = shared.state().held.clone();
        let is_machine = shared.settings.grant.kind().is_repeatable();
        let Some(held) = held else {
            if !is_machine {
                return Ok(None);
            }
            // Nobody has to be asked for the first one either.
            let why = Trigger::Challenged {
                stale: None,
                challenge: probe().await,
                is_asked: true,
            };
            shared.start_renewal(why).outcome().await?;
            let held = shared.state().held.clone();
            return Ok(held.map(|held| AccessToken::of(&held.entry)));
        };
        let now = shared.settings.now.seconds();
        if !held.entry.is_due(now) && lasts(&held.entry, now) {
            return Ok(Some(AccessToken::of(&held.entry)));
        }
        let climbed = shared.start_renewal(Trigger::Due).outcome().await;
        let now = shared.settings.now.seconds();
        let held = shared.state().held.clone().unwrap_or(held);
        match climbed {
            Ok(_) => Ok(Some(AccessToken::of(&held.entry))),
            Err(error) if !held.entry.has_expired(now) && lasts(&held.entry, now) => {
                tracing::warn!(%error, "not renewed; what is held works for now");
                Ok(Some(AccessToken::of(&held.entry)))
            }
            Err(error)
                if error.is_passing() || is_machine || matches!(error.cause(), Cause::Vault(_)) =>
            {
                Err(error)
            }
            // Nobody renews it any more, so this is the last of it.
            Err(_) => Ok(Some(&held.entry)
                .filter(|entry| !entry.has_expired(now + LEEWAY))
                .map(|entry| AccessToken::of(entry))),
        }
    }
}

impl AccessToken {
    fn of(entry: &Entry) -> Self {
        Self {
            token: entry.access.clone(),
            expires_at: entry.expires_at,
            resource: entry.resource.clone(),
            is_bound: entry.is_bound(),
        }
    }
}

/// Whether a script that gets it now has time to use it.
fn lasts(entry: &Entry, now: u64) -> bool {
    entry.expires_at.is_none_or(|end| {
        let life = end.saturating_sub(entry.obtained_at);
        now + ENOUGH.min(life / 2) <= end
    })
}
