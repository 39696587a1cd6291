//! The stored sign-ins: their list, and signing out.

use std::time::Duration;

use crate::auth::client::Client;
use crate::auth::flow::refresh;
use crate::auth::grant::GrantType;
use crate::auth::net::address::{canonical_text, is_near};
use crate::auth::net::http::{self, Http};
use crate::auth::oauth::id_token::User;
use crate::auth::oauth::known_providers::known_quirks;
use crate::auth::oauth::revocation::revoke;
use crate::auth::oauth::scope::{OFFLINE, Scopes};
use crate::auth::oauth::token_endpoint;
use crate::auth::settings::Settings;
use crate::auth::store::name::{self, TokenName};
use crate::auth::store::record::{TokenRecord, TokenState};
use crate::secret::Secret;
use crate::store::{self, EntryKind, Vault};

/// One kept sign-in; no secrets. Times are seconds since 1970.
#[derive(Clone, Debug)]
pub struct Status {
    /// The write of the vault that put it there: the newest has the highest.
    pub revision: u64,
    /// The MCP server.
    pub resource: String,
    /// Which identity there.
    pub account: String,
    /// The issuer of the tokens.
    pub issuer: String,
    /// Our client id there.
    pub client_id: String,
    /// The scopes that were requested.
    pub scope_requested: Option<Scopes>,
    /// The scopes that were granted.
    pub scope_granted: Option<Scopes>,
    /// When the access token was issued.
    pub obtained_at: u64,
    /// When it ends, if that is known.
    pub expires_at: Option<u64>,
    /// The grant that brought it.
    pub grant: GrantType,
    /// True if it can be renewed without a person.
    pub is_renewable: bool,
    /// Its state, as the last renewal left it.
    pub state: TokenState,
    /// The code of the last error.
    pub last_error: Option<String>,
    /// All scopes the server has ever named.
    pub scope_wanted: Option<Scopes>,
    /// The issuer's usual name, where mcpipe knows that it deviates.
    pub provider: Option<&'static str>,
    /// The same in words.
    pub quirks: Vec<String>,
    /// Deviations of the issuer that refusals showed.
    pub learned: Vec<String>,
    /// True if the tokens are good only with a key that is kept beside them.
    pub is_bound: bool,
    /// The user, if the authorization server has told.
    pub user: Option<User>,
}

impl Status {
    /// Scopes that are held though the server never asked for them: nothing where it named none at all, and never
    /// the one that is asked for so that the sign-in lasts.
    pub fn surplus(&self) -> Option<Scopes> {
        let wanted = self.scope_wanted.as_ref()?;
        let held = self
            .scope_granted
            .as_ref()
            .or(self.scope_requested.as_ref())?;
        let surplus: Scopes = held
            .iter()
            .filter(|scope| *scope != OFFLINE && !wanted.contains(scope))
            .collect();
        (!surplus.is_empty()).then_some(surplus)
    }
}

/// All kept sign-ins, in no order.
///
/// # Errors
/// The vault cannot be read.
pub async fn status(vault: &Vault) -> Result<Vec<Status>, store::Error> {
    let mut found = Vec::new();
    for (name, kind) in vault.list().await? {
        if kind != EntryKind::Oauth {
            continue;
        }
        let Some(stored) = vault.read(&name).await? else {
            continue;
        };
        let Some(entry) = TokenRecord::read(&stored.content) else {
            continue;
        };
        found.push(Status {
            revision: stored.rev,
            provider: known_quirks(&entry.issuer).name,
            quirks: known_quirks(&entry.issuer).words(),
            learned: entry.learned.words(),
            is_bound: entry.is_bound(),
            user: entry.user.clone(),
            scope_wanted: entry.scope_wanted,
            is_renewable: (entry.refresh.is_some() || entry.grant.is_repeatable())
                && entry.state != TokenState::NeedsLogin,
            grant: entry.grant,
            resource: entry.resource,
            account: entry.account,
            issuer: entry.issuer,
            client_id: entry.client.id,
            scope_requested: entry.scope_requested,
            scope_granted: entry.scope_granted,
            obtained_at: entry.obtained_at,
            expires_at: entry.expires_at,
            state: entry.state,
            last_error: entry.last_error,
        });
    }
    Ok(found)
}

/// The accounts beside this one that are the same user, each once.
pub fn accounts_of(all: &[Status], user: &User, account: &str) -> Vec<String> {
    let is_one = |other: &&Status| {
        other.account != account && other.user.as_ref().is_some_and(|it| it.is(user))
    };
    let mut names: Vec<String> = all
        .iter()
        .filter(is_one)
        .map(|other| other.account.clone())
        .collect();
    names.sort();
    names.dedup();
    names
}

/// Every server and account something is kept for, readable or not, each once.
///
/// # Errors
/// The vault cannot be read.
pub async fn places(vault: &Vault) -> Result<Vec<(String, String)>, store::Error> {
    let names = vault.list().await?.into_iter();
    let names = names.filter(|(_, kind)| *kind == EntryKind::Oauth);
    let mut places: Vec<(String, String)> = names
        .filter_map(|(name, _)| {
            let name = TokenName::parse(&name);
            Some((name.resource()?.to_owned(), name.account()?.to_owned()))
        })
        .collect();
    places.sort();
    places.dedup();
    Ok(places)
}

/// Says whether two addresses are one server's.
pub fn is_same_place(one: &str, other: &str) -> bool {
    canonical_text(one) == canonical_text(other)
}

/// Returns the stored servers and accounts that the user may have meant, where nothing is stored for these: each server
/// with its account.
///
/// # Errors
/// The vault cannot be read.
pub async fn near(
    vault: &Vault,
    resource: &str,
    account: Option<&str>,
) -> Result<Vec<(String, String)>, store::Error> {
    let is_meant = |(other, whose): &(String, String)| {
        let is_itself = canonical_text(other) == canonical_text(resource)
            && account.is_none_or(|account| account == whose);
        !is_itself && is_near(other, resource)
    };
    let mut near = places(vault).await?;
    near.retain(is_meant);
    Ok(near)
}

/// Forgets every registration; how many there were.
///
/// # Errors
/// The vault cannot be read or written.
pub async fn forget_all_registrations(vault: &Vault) -> Result<usize, store::Error> {
    let mut forgotten = 0;
    for (name, kind) in vault.list().await? {
        if kind == EntryKind::ClientRegistration {
            forgotten += usize::from(vault.remove(&name).await?);
        }
    }
    Ok(forgotten)
}

/// One sign-out.
#[derive(Debug)]
pub struct SignedOut {
    /// The issuer of the tokens.
    pub issuer: String,
    /// The outcome for the refresh token there.
    pub refresh: Revocation,
    /// The outcome for the access token there.
    pub access: Revocation,
}

/// The outcome of a revocation at the authorization server.
#[derive(Debug)]
pub enum Revocation {
    /// It is revoked.
    Done,
    /// There was none.
    Nothing,
    /// The server has no way to revoke such a token: it stays good until it ends.
    NotOffered,
    /// Another version wrote what is kept, so that its tokens are not known here: they stay good until they end.
    Unreadable,
    /// It could not be done: the token stays good until it ends.
    Failed(token_endpoint::Error),
}

/// Signs this account out of this server: revokes, then forgets, whatever the server said (RFC 7009).
///
/// # Errors
/// The vault cannot be read or written.
pub async fn logout(
    settings: &Settings,
    vault: &Vault,
    http: &Http,
) -> Result<Vec<SignedOut>, store::Error> {
    // The lock is a file, and where nothing is kept there may be no place for one.
    if vault.list().await?.is_empty() {
        return Ok(Vec::new());
    }
    let lock = name::credential_lock(settings);
    let _lock = vault.lock(&lock, Duration::from_secs(60)).await?;
    if let Some(key) = &settings.client_key
        && let Err(why) = key.fetch(vault, &settings.url, &settings.now).await
    {
        tracing::warn!(%why, "the client's key is not to be had");
    }
    let mut out = Vec::new();
    let mut issuers = Vec::new();
    for (name, kind) in vault.list().await? {
        let parts = TokenName::parse(&name);
        if kind != EntryKind::Oauth || !parts.is_of(settings) {
            continue;
        }
        let entry = vault.read(&name).await?;
        let entry = entry.and_then(|stored| TokenRecord::read(&stored.content));
        let is_unreadable = entry.is_none();
        if let Some(mut entry) = entry {
            entry.client = with_key(&entry, settings);
            let refresh = revoked(http, &entry, entry.refresh.as_ref(), "refresh_token").await;
            let access = revoked(http, &entry, Some(&entry.access), "access_token").await;
            out.push(SignedOut {
                issuer: entry.issuer,
                refresh,
                access,
            });
        }
        let issuer = parts.issuer().map(str::to_owned);
        if is_unreadable {
            out.push(SignedOut {
                issuer: issuer.clone().unwrap_or_default(),
                refresh: Revocation::Unreadable,
                access: Revocation::Nothing,
            });
        }
        issuers.extend(issuer);
        vault.remove(&name).await?;
    }
    for issuer in issuers {
        forget_registrations(vault, &issuer).await?;
    }
    Ok(out)
}

/// The client, whichever it is, with the user's key in hand.
fn with_key(entry: &TokenRecord, settings: &Settings) -> Client {
    let id = Some(entry.client.id.clone());
    let settings = Settings {
        client_id: id.clone(),
        client_metadata_url: id,
        ..settings.clone()
    };
    refresh::current(entry, &settings)
}

/// Forgets who we are at an issuer of which nothing else is kept.
async fn forget_registrations(vault: &Vault, issuer: &str) -> Result<(), store::Error> {
    let names = vault.list().await?;
    let is_used = |(name, kind): &(String, EntryKind)| {
        *kind == EntryKind::Oauth && TokenName::parse(name).issuer() == Some(issuer)
    };
    if names.iter().any(is_used) {
        return Ok(());
    }
    for (name, kind) in names {
        if kind == EntryKind::ClientRegistration
            && name::issuer_of_client(&name).as_deref() == Some(issuer)
        {
            vault.remove(&name).await?;
        }
    }
    Ok(())
}

async fn revoked(
    http: &Http,
    entry: &TokenRecord,
    token: Option<&Secret>,
    hint: &'static str,
) -> Revocation {
    let Some(token) = token else {
        return Revocation::Nothing;
    };
    let Some(url) = &entry.revocation_endpoint else {
        return Revocation::NotOffered;
    };
    let mut tries = 0;
    loop {
        tries += 1;
        let work = revoke(http, url, &entry.client, token, hint);
        let done = tokio::time::timeout(PATIENCE, work).await;
        match done {
            Ok(Ok(())) => return Revocation::Done,
            Ok(Err(token_endpoint::Error::Failed(fault))) if fault.is_passing() && tries < 2 => {}
            // RFC 7009 section 2.2.1: a token that its server checks without a question to the issuer, a JWT for one.
            Ok(Err(error)) if error.is("unsupported_token_type") => return Revocation::NotOffered,
            Ok(Err(error)) => return Revocation::Failed(error),
            Err(_) => {
                return Revocation::Failed(token_endpoint::Error::Failed(
                    http::Error::Unreachable {
                        host: http::host_of(url),
                        why: format!("no answer within {} s", PATIENCE.as_secs()),
                    },
                ));
            }
        }
    }
}

const PATIENCE: Duration = Duration::from_secs(5);
