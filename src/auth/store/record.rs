//! The records of tokens and of registered clients in the vault: the only place that puts a secret of mcpipe's into
//! JSON.
//!
//! Their names are made in [`crate::auth::store::name`]; what mcpipe has learned from a server is in the content.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use url::Url;

use crate::auth::client::Client;
use crate::auth::grant::GrantType;
use crate::auth::oauth::id_token::User;
use crate::auth::oauth::jws::Key;
use crate::auth::oauth::observed_quirks::ObservedQuirks;
use crate::auth::oauth::scope::Scopes;
use crate::auth::oauth::token_endpoint::TokenSet;
use crate::auth::settings::Settings;
use crate::auth::store::name;
use crate::secret::Secret;

mod client_record; // a registered client
mod form; // the JSON that both kinds of records share

pub use client_record::ClientRecord;
use form::{SCHEMA, StoredClient, written};

/// Tokens for one resource, of one issuer, for one account. Times are seconds since 1970.
#[derive(Clone, Debug)]
pub struct TokenRecord {
    /// The canonical URI of the MCP server.
    pub resource: String,
    /// The name of the account.
    pub account: String,
    /// The issuer of the tokens.
    pub issuer: String,
    /// The endpoint where the tokens are renewed; never another one, even if the server's metadata names one later.
    pub token_endpoint: Url,
    /// The endpoint where the tokens are revoked.
    pub revocation_endpoint: Option<Url>,
    /// The client that the tokens were issued to.
    pub client: Client,
    /// The token that mcpipe sends to the MCP server.
    pub access: Secret,
    /// The token that brings the next ones.
    pub refresh: Option<Secret>,
    /// The time at which mcpipe sent the request that brought the tokens.
    pub obtained_at: u64,
    /// The end of the access token; unknown if the server did not say.
    pub expires_at: Option<u64>,
    /// The time to renew the access token.
    pub refresh_at: Option<u64>,
    /// The `resource` parameter that was sent, to be sent again.
    pub resource_sent: Option<String>,
    /// The scopes that mcpipe asked for.
    pub scope_requested: Option<Scopes>,
    /// The scopes that the authorization server granted.
    pub scope_granted: Option<Scopes>,
    /// The state of the refresh token.
    pub state: TokenState,
    /// The count of refusals in a row.
    pub strikes: u32,
    /// The error code of the last refusal.
    pub last_error: Option<String>,
    /// All scopes that the server has ever named, in challenges or metadata.
    pub scope_wanted: Option<Scopes>,
    /// Observed deviations of the authorization server.
    pub learned: ObservedQuirks,
    /// The way in which the tokens were obtained.
    pub grant: GrantType,
    /// The key that the tokens are bound to (RFC 9449), without which they are of no use.
    pub dpop_key: Option<Key>,
    /// The times at which tokens were issued by a sign-in, or because the server had refused the one before; the newest
    /// few.
    pub issued_anew: Vec<u64>,
    /// The time at which the user signed in, or the first token of a grant without a user came; 0 where no version
    /// wrote it down. A renewal leaves it as it is.
    pub signed_in_at: u64,
    /// The origin of the page at which the user signed in, if there was one and the writer recorded it.
    pub authorization_origin: Option<String>,
    /// The user that the tokens were issued for, if the authorization server has named one.
    pub user: Option<User>,
    /// The origins of the issuer and of all its endpoints; empty where the writer did not record them.
    pub endpoint_origins: Vec<String>,
}

/// The state of a refresh token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenState {
    /// A good token.
    Ok,
    /// A token that was refused once or twice while the access token still worked.
    Suspect,
    /// A dead token: only a sign-in helps.
    NeedsLogin,
}

impl TokenRecord {
    /// Replaces the tokens by newer ones. A refresh token that is not replaced stays (RFC 6749 section 6). `sent_at` is
    /// the time of the request; `jitter` is between 0 and 1.
    pub fn renew(&mut self, tokens: TokenSet, sent_at: u64, jitter: f64) {
        self.learned.note_method(self.client.method, tokens.method);
        self.learned.header_only |= tokens.header_only;
        self.learned.correct(&mut self.client);
        if let Some(user) = self.user_of(&tokens) {
            // A renewal may tell the subject alone.
            let known = self.user.take().filter(|known| known.is(&user));
            let name = user.name.or_else(|| known?.name);
            self.user = Some(User { name, ..user });
        }
        self.access = tokens.access;
        if tokens.refresh.is_some() {
            self.refresh = tokens.refresh;
        }
        if tokens.scope.is_some() {
            self.scope_granted = tokens.scope;
        }
        // A lifetime of 0 says nothing: such a token is used until the server refuses it.
        let lifetime = tokens.lifetime.filter(|life| life.as_secs() > 0);
        self.obtained_at = sent_at;
        self.expires_at = lifetime.map(|life| sent_at + life.as_secs());
        self.refresh_at = lifetime.map(|life| sent_at + renew_after(life, jitter));
        self.state = TokenState::Ok;
        self.strikes = 0;
        self.last_error = None;
    }

    fn user_of(&self, tokens: &TokenSet) -> Option<User> {
        if let Some(user) = &tokens.user {
            return Some(user.clone());
        }
        let claims = tokens.id.as_ref()?;
        User::of(claims, &self.issuer, &self.client.id)
    }

    /// Says whether these tokens are known to be another user's than the stored ones.
    pub(in crate::auth) fn is_for_another(&self, tokens: &TokenSet) -> bool {
        let user = self.user_of(tokens);
        match (&self.user, &user) {
            (Some(known), Some(now)) => !known.is(now),
            _ => false,
        }
    }

    /// Returns how many tokens of the last `seconds` came from a sign-in, or because the server had refused the one
    /// before.
    pub fn issued_anew_within(&self, seconds: u64, now: u64) -> usize {
        let recent = |at: &&u64| **at <= now && now < **at + seconds;
        self.issued_anew.iter().filter(recent).count()
    }

    /// Records that tokens are issued now for such a reason.
    pub fn is_issued_anew(&mut self, now: u64) {
        self.issued_anew.push(now);
        let excess = self.issued_anew.len().saturating_sub(MAX_ISSUED);
        self.issued_anew.drain(..excess);
    }

    /// Says whether the tokens need a key, which is in the entry too.
    pub fn is_bound(&self) -> bool {
        self.dpop_key.is_some()
    }

    /// Says whether the access token has ended.
    pub fn has_expired(&self, now: u64) -> bool {
        self.expires_at.is_some_and(|at| now >= at) || self.is_from_the_future(now)
    }

    /// Says whether it is time to renew the access token.
    pub fn is_due(&self, now: u64) -> bool {
        self.refresh_at.is_some_and(|at| now >= at) || self.is_from_the_future(now)
    }

    /// Says whether the clock was set back, so that the entry's times mean nothing.
    fn is_from_the_future(&self, now: u64) -> bool {
        self.obtained_at > now + 300
    }

    /// Returns the record's name in the vault.
    pub fn name(&self, settings: &Settings) -> String {
        let client = &self.client;
        name::of_tokens(
            settings,
            &self.issuer,
            &client.id,
            client.method,
            self.is_bound(),
        )
    }

    /// Returns the text that the vault encrypts.
    pub fn write(&self) -> Secret {
        let stored = StoredTokenRecord {
            schema: SCHEMA,
            resource: self.resource.clone(),
            account: self.account.clone(),
            issuer: self.issuer.clone(),
            token_endpoint: self.token_endpoint.clone().into(),
            revocation_endpoint: self.revocation_endpoint.clone().map(Into::into),
            client: StoredClient::of(&self.client),
            at: self.access.expose().to_owned(),
            rt: self.refresh.as_ref().map(|token| token.expose().to_owned()),
            token_type: if self.is_bound() { "DPoP" } else { "Bearer" }.to_owned(),
            obtained_at: self.obtained_at,
            expires_at: self.expires_at,
            refresh_at: self.refresh_at,
            resource_sent: self.resource_sent.clone(),
            scope_requested: self.scope_requested.as_ref().map(Scopes::to_string),
            scope_granted: self.scope_granted.as_ref().map(Scopes::to_string),
            state: self.state,
            strikes: self.strikes,
            last_error: self.last_error.clone(),
            scope_wanted: self.scope_wanted.as_ref().map(Scopes::to_string),
            learned: self.learned.clone(),
            grant: self.grant,
            dpop_key: self
                .dpop_key
                .as_ref()
                .map(|key| key.text().expose().to_owned()),
            issued_anew: self.issued_anew.clone(),
            signed_in_at: self.signed_in_at,
            authorization_origin: self.authorization_origin.clone(),
            user: self.user.clone(),
            endpoint_origins: self.endpoint_origins.clone(),
        };
        written(&stored)
    }

    /// Reads an entry; `None` if this version does not know its form.
    pub fn read(content: &Secret) -> Option<Self> {
        let stored: StoredTokenRecord = serde_json::from_str(content.expose()).ok()?;
        if stored.schema != SCHEMA {
            return None;
        }
        let scopes = |text: Option<String>| text.map(|text| Scopes::parse(&text));
        let dpop_key = stored.dpop_key.map(|text| Key::read(&Secret::new(text)));
        Some(Self {
            dpop_key: dpop_key.transpose().ok()?,
            resource: stored.resource,
            account: stored.account,
            issuer: stored.issuer,
            token_endpoint: Url::parse(&stored.token_endpoint).ok()?,
            revocation_endpoint: stored
                .revocation_endpoint
                .and_then(|text| Url::parse(&text).ok()),
            client: stored.client.read(),
            access: Secret::new(stored.at),
            refresh: stored.rt.map(Secret::new),
            obtained_at: stored.obtained_at,
            expires_at: stored.expires_at,
            refresh_at: stored.refresh_at,
            resource_sent: stored.resource_sent,
            scope_requested: scopes(stored.scope_requested),
            scope_granted: scopes(stored.scope_granted),
            state: stored.state,
            strikes: stored.strikes,
            last_error: stored.last_error,
            scope_wanted: scopes(stored.scope_wanted),
            learned: stored.learned,
            grant: stored.grant,
            issued_anew: stored.issued_anew,
            signed_in_at: stored.signed_in_at,
            authorization_origin: stored.authorization_origin,
            user: stored.user,
            endpoint_origins: stored.endpoint_origins,
        })
    }
}

/// Returns when to renew a token of this lifetime, in seconds after the request for it: at 80 %, up to 5 % earlier so
/// that many processes do not do it at once; a short lifetime ten seconds before its end, never in its first half.
fn renew_after(lifetime: Duration, jitter: f64) -> u64 {
    let whole = lifetime.as_secs();
    if whole < 60 {
        return whole.saturating_sub(10).max(whole.div_ceil(2));
    }
    lifetime
        .mul_f64(0.8 - 0.05 * jitter.clamp(0.0, 1.0))
        .as_secs()
}

/// The most times that [`TokenRecord::issued_anew`] holds.
const MAX_ISSUED: usize = 4;

#[derive(Serialize, Deserialize)]
struct StoredTokenRecord {
    schema: u32,
    resource: String,
    account: String,
    // Not every version wrote the issuer; without it, the token endpoint identifies the authorization server.
    #[serde(default)]
    issuer: String,
    token_endpoint: String,
    revocation_endpoint: Option<String>,
    #[serde(flatten)]
    client: StoredClient,
    at: String,
    rt: Option<String>,
    token_type: String,
    obtained_at: u64,
    expires_at: Option<u64>,
    refresh_at: Option<u64>,
    resource_sent: Option<String>,
    scope_requested: Option<String>,
    scope_granted: Option<String>,
    state: TokenState,
    strikes: u32,
    last_error: Option<String>,
    #[serde(default)]
    scope_wanted: Option<String>,
    #[serde(default)]
    learned: ObservedQuirks,
    #[serde(default)]
    grant: GrantType,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    dpop_key: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    issued_anew: Vec<u64>,
    #[serde(default, skip_serializing_if = "is_zero")]
    signed_in_at: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    authorization_origin: Option<String>,
    #[serde(
        default,
        rename = "person",
        skip_serializing_if = "Option::is_none",
        deserialize_with = "User::read_lenient"
    )]
    user: Option<User>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    endpoint_origins: Vec<String>,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_renewed_in_time_and_not_all_the_time() {
        for (lifetime, jitter, wanted) in [
            (3600, 0.0, 2880),
            (3600, 1.0, 2700),
            (60, 0.0, 48),
            (59, 0.5, 49),
            (30, 0.0, 20),
            (5, 0.0, 3),
            (1, 0.0, 1),
        ] {
            let after = renew_after(Duration::from_secs(lifetime), jitter);
            assert_eq!(after, wanted, "{lifetime} {jitter}");
        }
    }
}
