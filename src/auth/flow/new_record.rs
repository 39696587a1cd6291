//! The record of tokens that a sign-in, or a grant without a user, has brought, and its way into the vault.

use std::time::Duration;

use crate::auth::client::Client;
use crate::auth::flow::previous::Previous;
use crate::auth::oauth::discovery::AuthorizationServer;
use crate::auth::oauth::dpop::Prover;
use crate::auth::oauth::scope::Scopes;
use crate::auth::oauth::token_endpoint::TokenSet;
use crate::auth::settings::Settings;
use crate::auth::store::credential_store::CredentialStore;
use crate::auth::store::record::{TokenRecord, TokenState};
use crate::random;
use crate::store::Expected;

/// The time for which tokens that a user has waited for wait for another process.
const LOCK_PATIENCE: Duration = Duration::from_secs(10);

/// New tokens, with the facts about the request that brought them.
pub(in crate::auth) struct NewTokens<'a> {
    pub(in crate::auth) server: &'a AuthorizationServer,
    pub(in crate::auth) client: Client,
    pub(in crate::auth) scope: Option<&'a Scopes>,
    pub(in crate::auth) tokens: TokenSet,
    /// The prover that asked for the tokens.
    pub(in crate::auth) prover: Option<&'a Prover>,
    /// The `resource` parameter of the request that brought the tokens.
    pub(in crate::auth) resource_sent: Option<String>,
    /// The time of the request, in seconds since 1970.
    pub(in crate::auth) sent_at: u64,
}

impl NewTokens<'_> {
    /// Returns the record to be stored.
    pub(in crate::auth) fn into_record(
        self,
        settings: &Settings,
        previous: &Previous,
    ) -> TokenRecord {
        let Self {
            server,
            tokens,
            sent_at,
            ..
        } = self;
        let dpop_key = tokens.bound_by(self.prover);
        let mut record = TokenRecord {
            resource: settings.canonical_resource(),
            account: settings.account.clone(),
            issuer: server.issuer().to_owned(),
            token_endpoint: server.token_endpoint().clone(),
            revocation_endpoint: server.revocation_endpoint().cloned(),
            client: self.client,
            access: tokens.access.clone(),
            refresh: None,
            obtained_at: sent_at,
            expires_at: None,
            refresh_at: None,
            resource_sent: None,
            scope_requested: self.scope.cloned(),
            // What is not said was granted as asked (RFC 6749 section 5.1).
            scope_granted: self.scope.cloned(),
            state: TokenState::Ok,
            strikes: 0,
            last_error: None,
            scope_wanted: previous.scope_wanted.clone(),
            learned: previous.learned.clone(),
            grant: settings.grant.kind(),
            dpop_key: None,
            issued_anew: vec![sent_at],
            signed_in_at: sent_at,
            authorization_origin: server.authorization_origin(),
            user: None,
            endpoint_origins: server.endpoint_origins(),
        };
        record.renew(tokens, sent_at, random::fraction());
        record.dpop_key = dpop_key;
        record.resource_sent = self.resource_sent;
        record
    }
}

/// Stores the record of a sign-in, in the place of the account's earlier ones at this issuer.
pub(in crate::auth) async fn save(
    store: &CredentialStore,
    settings: &Settings,
    record: &TokenRecord,
) {
    // A process that stands still with the lock loses nothing by it: what it renews meanwhile is older than this, and
    // is not written over it.
    let lock = store.lock_within(LOCK_PATIENCE).await;
    if let Err(why) = &lock {
        tracing::warn!(%why, "keeping the tokens all the same");
    }
    let name = record.name(settings);
    store.save(&name, record, Expected::Anything).await;
    store.supersede(&name, &record.issuer).await;
}
