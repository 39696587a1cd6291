//! A token for a program of the user's that asks once: `mcpipe token`.
//!
//! The token is the one that a bridge would send, renewed in the same steps and under the same lock. Only the patience
//! differs: a bridge sends what still works and renews meanwhile, a script gets a token that works for a while. Never
//! leads to a sign-in.

use std::fmt;

use crate::auth::authorizer::Authorizer;
use crate::auth::flow::trigger::Trigger;
use crate::auth::oauth::challenge::Challenge;
use crate::auth::store::record::TokenRecord;
use crate::auth::{Cause, Error};
use crate::secret::Secret;

/// Seconds that a token should last when a script gets it. Half the lifetime suffices for a token that lives shorter
/// than twice that.
const ENOUGH: u64 = 60;
/// Seconds before the end of a token in which it is not handed out, whatever else fails.
const LEEWAY: u64 = 5;

/// A token to be sent as `Authorization: Bearer`, unless it is bound to a key.
#[derive(Clone)]
pub struct AccessToken {
    /// The token.
    pub token: Secret,
    /// The end of the token, in seconds since 1970, if that is known.
    pub expires_at: Option<u64>,
    /// The MCP server that the token is for.
    pub resource: String,
    /// True for a token that is of no use without a key, which is not handed out (RFC 9449).
    pub is_bound: bool,
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "AccessToken({})", self.resource)
    }
}

impl Authorizer {
    /// Returns a token that lasts: renewed first, and waited for, if it is due or ends soon. `None` if none is held, or
    /// if the held one has ended and no server renews it. `probe` asks the server for its challenge, where a first
    /// token is needed.
    ///
    /// # Errors
    /// A renewal that is needed and fails for a reason that may pass.
    pub async fn access_token(
        &self,
        probe: impl AsyncFnOnce() -> Challenge,
    ) -> Result<Option<AccessToken>, Error> {
        let Some(shared) = &self.shared else {
            return Ok(None);
        };
        shared.load_once().await;
        let held = shared.state().held.clone();
        let is_machine = shared.context.settings.grant.kind().is_repeatable();
        let Some(held) = held else {
            if !is_machine {
                return Ok(None);
            }
            // These grants need no user for the first token either.
            let why = Trigger::Challenged {
                stale: None,
                challenge: probe().await,
                is_asked: true,
            };
            shared.start_renewal(why).outcome().await?;
            let held = shared.state().held.clone();
            return Ok(held.map(|held| AccessToken::of(&held.entry)));
        };
        let now = shared.context.now();
        if !held.entry.is_due(now) && lasts(&held.entry, now) {
            return Ok(Some(AccessToken::of(&held.entry)));
        }
        let renewed = shared.start_renewal(Trigger::Expiring).outcome().await;
        let now = shared.context.now();
        let held = shared.state().held.clone().unwrap_or(held);
        match renewed {
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
            // The authorization server renews this token no more: hand out what is left of it.
            Err(_) => Ok(Some(&held.entry)
                .filter(|entry| !entry.has_expired(now + LEEWAY))
                .map(|entry| AccessToken::of(entry))),
        }
    }
}

impl AccessToken {
    fn of(entry: &TokenRecord) -> Self {
        Self {
            token: entry.access.clone(),
            expires_at: entry.expires_at,
            resource: entry.resource.clone(),
            is_bound: entry.is_bound(),
        }
    }
}

/// Says whether a script that gets this token now has time to use it.
fn lasts(entry: &TokenRecord, now: u64) -> bool {
    entry.expires_at.is_none_or(|end| {
        let life = end.saturating_sub(entry.obtained_at);
        now + ENOUGH.min(life / 2) <= end
    })
}
