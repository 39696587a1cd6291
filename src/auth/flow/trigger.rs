//! The reason for a renewal, the state in which it begins, and the origin of the record that it brings.

use std::sync::Arc;

use futures_util::future::BoxFuture;

use crate::auth::oauth::challenge::Challenge;
use crate::auth::store::record::TokenRecord;
use crate::auth::{Cause, Credential};

/// The reason for a renewal.
#[derive(Clone, Debug)]
pub(in crate::auth) enum Trigger {
    /// A token that is about to end. Never leads to a sign-in.
    Expiring,
    /// A challenge from the remote.
    Challenged {
        stale: Option<Credential>,
        challenge: Challenge,
        /// True if the host waits for the answer, so that mcpipe may ask the user.
        is_asked: bool,
    },
    /// The user's request to sign in.
    Requested(Challenge),
}

impl Trigger {
    /// Says whether the user asked for the sign-in.
    pub(in crate::auth) fn is_requested(&self) -> bool {
        matches!(self, Self::Requested(_))
    }

    /// Says whether the renewal goes as far as a sign-in by the user, if it has to.
    pub(in crate::auth) fn may_ask_user(&self) -> bool {
        matches!(
            self,
            Self::Requested(_) | Self::Challenged { is_asked: true, .. }
        )
    }
}

/// A credential with its entry in the vault.
#[derive(Clone)]
pub(in crate::auth) struct Current {
    pub(in crate::auth) credential: Credential,
    pub(in crate::auth) entry: Arc<TokenRecord>,
}

impl Current {
    /// Says whether a record is of the same issuer, client and account.
    pub(in crate::auth) fn is_same_identity(&self, record: &TokenRecord) -> bool {
        let held = &self.entry;
        (&held.issuer, &held.client.id, &held.account)
            == (&record.issuer, &record.client.id, &record.account)
    }
}

/// The origin of a held credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::auth) enum Origin {
    /// A credential that was in the vault.
    Stored,
    /// A credential that this process has renewed.
    Refreshed,
    /// A credential that this process has renewed after another process had put its predecessor into the vault.
    TakenOver,
    /// A credential from a sign-in.
    SignedIn,
}

/// Seconds in which a refused grant is not requested again.
const QUIET: u64 = 30;

/// The last refusal of a grant that needs no user.
#[derive(Clone)]
pub(in crate::auth) struct RecentRefusal {
    /// The time of the refusal, in seconds since 1970.
    pub(in crate::auth) at: u64,
    /// The remote's challenge.
    pub(in crate::auth) challenge: Challenge,
    pub(in crate::auth) cause: Arc<Cause>,
}

impl RecentRefusal {
    /// Says whether the remote has challenged in the same words and a moment ago. A host may call as often as it likes: a
    /// server that refused the same is not asked with each call.
    pub(in crate::auth) fn covers(&self, why: &Trigger, now: u64) -> bool {
        matches!(why, Trigger::Challenged { challenge, .. } if *challenge == self.challenge)
            && (self.at..self.at + QUIET).contains(&now)
    }
}

/// A function that obtains an ID token at the enterprise's provider: the held one, or another than the given one.
pub(in crate::auth) type IdTokenSource<'a> =
    dyn Fn(Option<Credential>) -> BoxFuture<'a, Result<Credential, Cause>> + Send + Sync + 'a;

/// The reason for a renewal, and the state of this process when it begins.
pub(in crate::auth) struct Start<'a> {
    pub(in crate::auth) why: &'a Trigger,
    pub(in crate::auth) held: Option<Current>,
    pub(in crate::auth) refused: Option<RecentRefusal>,
    /// The source of ID tokens, where the user signs in at the enterprise's provider.
    pub(in crate::auth) id_tokens: Option<&'a IdTokenSource<'a>>,
}
