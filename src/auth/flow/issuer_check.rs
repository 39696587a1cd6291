//! Which authorization server this account last used for this server, and whether another may take its place.
//!
//! The server says where to sign in, anew each time. A server that was taken over, or a document in the place of its
//! metadata, can so send the user to a page of its own making, or a client's secret to an endpoint of its own. So what was
//! signed in to last is kept, and another is used only at the user's word: `mcpipe login`, which says so, or a flag that
//! names the authorization server. First contact has nothing to compare with.
//!
//! Nothing is fetched here. SEP-2352 binds credentials to their issuer; RFC 9700 section 4.4 has the attack.

use url::Url;

use crate::auth::Cause;
use crate::auth::flow::trigger::Trigger;
use crate::auth::issuer_change::{Changed, Undecided};
use crate::auth::notice::Notice;
use crate::auth::oauth::discovery::{AuthorizationServer, ProtectedResource};
use crate::auth::oauth::metadata_urls::same_issuer;
use crate::auth::settings::Settings;
use crate::auth::store::credential_store::CredentialStore;
use crate::auth::store::name::TokenName;
use crate::auth::store::record::TokenRecord;
use crate::auth::text_limits::MAX_NAME;
use crate::store::EntryKind;
use crate::text::plain;

/// An authorization server that was used, with the origins of its endpoints.
#[derive(Clone, Debug)]
struct UsedServer {
    issuer: String,
    /// Unknown of an entry that cannot be read.
    token: Option<Url>,
    /// Unknown of an entry that an older version wrote.
    authorization: Option<String>,
    /// The origins of all its endpoints; none of an entry that an older version wrote.
    origins: Vec<String>,
}

/// The authorization servers that were signed in to last: with the settings of now, and by this account with any.
#[derive(Clone, Debug, Default)]
pub(in crate::auth) struct LastUsed {
    ours: Option<UsedServer>,
    any: Option<UsedServer>,
}

impl LastUsed {
    /// The issuer to prefer where the server names several.
    pub(in crate::auth) fn issuer(&self) -> Option<&str> {
        let used = self.ours.as_ref().or(self.any.as_ref())?;
        Some(&used.issuer)
    }
}

impl UsedServer {
    fn of(name: &TokenName, entry: Option<&TokenRecord>) -> Self {
        let named = name.issuer().unwrap_or_default().to_owned();
        let Some(entry) = entry else {
            return Self {
                issuer: named,
                token: None,
                authorization: None,
                origins: Vec::new(),
            };
        };
        // An entry without an issuer is known by the origin of its token endpoint.
        let issuer = [entry.issuer.clone(), named]
            .into_iter()
            .find(|issuer| !issuer.is_empty())
            .unwrap_or_else(|| origin(&entry.token_endpoint));
        Self {
            issuer,
            token: Some(entry.token_endpoint.clone()),
            authorization: entry.authorization_origin.clone(),
            origins: entry.endpoint_origins.clone(),
        }
    }

    /// Returns the difference between what was found and this, if there is one.
    fn changed(&self, resource: &ProtectedResource, now: &AuthorizationServer) -> Option<Changed> {
        let was = || plain(&self.issuer, MAX_NAME);
        let issuer = || plain(now.issuer(), MAX_NAME);
        if !same_issuer(&self.issuer, now.issuer()) {
            let (was, now) = (was(), issuer());
            return Some(if resource.names(&self.issuer) {
                Changed::Beside { was, now }
            } else if resource.names_any() {
                Changed::Named { was, now }
            } else {
                Changed::Unnamed { was, now }
            });
        }
        let token = self.token.as_ref().map(origin);
        let endpoints = [
            ("token endpoint", token, Some(origin(now.token_endpoint()))),
            (
                "sign-in page",
                self.authorization.clone(),
                now.authorization_origin(),
            ),
        ];
        let moved = endpoints
            .into_iter()
            .find_map(|(endpoint, was, now)| match (was, now) {
                (Some(was), Some(now)) if was != now => Some(Changed::Endpoint {
                    issuer: issuer(),
                    endpoint,
                    was: plain(&was, MAX_NAME),
                    now: plain(&now, MAX_NAME),
                }),
                _ => None,
            });
        moved.or_else(|| self.joined(now))
    }

    /// An endpoint at an origin that had none. The client's secret goes to the endpoint that gives out device codes (RFC
    /// 8628 section 3.1), which also says where the user is to sign in; the initial access token to the one that registers
    /// clients (RFC 7591 section 3); the refresh token to the one that revokes (RFC 7009).
    fn joined(&self, now: &AuthorizationServer) -> Option<Changed> {
        if self.origins.is_empty() {
            return None;
        }
        let endpoints = [
            ("registration endpoint", now.registration_endpoint()),
            ("device authorization endpoint", now.device_endpoint()),
            ("revocation endpoint", now.revocation_endpoint()),
        ];
        endpoints.into_iter().find_map(|(endpoint, url)| {
            let at = url.map(origin)?;
            (!self.origins.contains(&at)).then(|| Changed::Joined {
                issuer: plain(now.issuer(), MAX_NAME),
                endpoint,
                now: plain(&at, MAX_NAME),
            })
        })
    }
}

/// Reads which authorization servers were signed in to last.
pub(in crate::auth) async fn last_used(
    store: &CredentialStore,
    settings: &Settings,
) -> Result<LastUsed, Cause> {
    let grant = settings.grant.kind();
    let mut found = Vec::new();
    for (name, kind) in store.vault().list().await? {
        let parts = TokenName::parse(&name);
        if kind != EntryKind::Oauth || !parts.is_of(settings) {
            continue;
        }
        let Some(stored) = store.vault().read(&name).await? else {
            continue;
        };
        let entry = TokenRecord::read(&stored.content);
        if entry.as_ref().is_some_and(|entry| entry.grant != grant) {
            continue;
        }
        let signed_in_at = entry.as_ref().map_or(0, |entry| entry.signed_in_at);
        let is_ours = parts.is_for(settings);
        found.push((
            (signed_in_at, stored.rev),
            is_ours,
            UsedServer::of(&parts, entry.as_ref()),
        ));
    }
    // What the vault would not take is newer than what it holds.
    if let Some((name, entry)) = store.unsaved().clone() {
        let parts = TokenName::parse(&name);
        let at = (entry.signed_in_at, u64::MAX);
        found.push((at, true, UsedServer::of(&parts, Some(&entry))));
    }
    found.sort_by_key(|(at, ..)| *at);
    let ours = found.iter().rfind(|(_, is_ours, _)| *is_ours);
    Ok(LastUsed {
        ours: ours.map(|(.., used)| used.clone()),
        any: found.last().map(|(.., used)| used.clone()),
    })
}

/// Says whether this authorization server may be used now: it is the one used last, or the user says so.
///
/// # Errors
/// It is another, and that is the user's to decide.
pub(in crate::auth) async fn may_be_used(
    store: &CredentialStore,
    settings: &Settings,
    why: &Trigger,
    last: &LastUsed,
    resource: &ProtectedResource,
    server: &AuthorizationServer,
) -> Result<(), Cause> {
    let Settings {
        authorization_server,
        expected_issuer,
        token_endpoint,
        announce,
        ..
    } = settings;
    let is_named_by_the_user =
        authorization_server.is_some() || expected_issuer.is_some() || token_endpoint.is_some();
    let Some(used) = last.ours.as_ref().or(last.any.as_ref()) else {
        return Ok(());
    };
    if is_named_by_the_user {
        return Ok(());
    }
    let Some(changed) = used.changed(resource, server) else {
        return Ok(());
    };
    // The user has accepted it, with other settings at the same server.
    if let Some(any) = &last.any
        && any.changed(resource, server).is_none()
    {
        return Ok(());
    }
    if why.is_requested() {
        announce.tell(&Notice::OtherIssuer { changed: &changed });
        return Ok(());
    }
    tracing::warn!(%changed, "this is left to the user");
    own_belongs_there(store, settings, server).await?;
    Err(Undecided {
        changed,
        account: settings.account.clone(),
        grant: settings.grant.kind(),
    }
    .into())
}

/// Says of what the user brought that it belongs elsewhere, where that is so: a new sign-in alone would not help.
async fn own_belongs_there(
    store: &CredentialStore,
    settings: &Settings,
    server: &AuthorizationServer,
) -> Result<(), Cause> {
    let Settings {
        client_id,
        registration_token,
        ..
    } = settings;
    match client_id {
        Some(id) => store.belongs_there(Some(id), server).await?,
        None if registration_token.is_some() => store.belongs_there(None, server).await?,
        None => {}
    }
    Ok(())
}

fn origin(url: &Url) -> String {
    url.origin().ascii_serialization()
}
