//! Takes over a sign-in that another program made, so that the user does not sign in again.
//!
//! What came from elsewhere is believed as little as possible: the server is asked which authorization server it has, as
//! in any sign-in, and the tokens are stored only if they are said to come from that one. Where their origin is not said,
//! a renewal has to succeed first, at the authorization server that the MCP server itself names and nowhere else: a
//! refresh token and a client's secret are good for every program that is shown them. Tokens that this vault has are
//! never replaced by older ones.

use std::time::Duration;

use url::Url;

use crate::auth::Cause;
use crate::auth::client::{Client, ClientSource};
use crate::auth::flow::refresh;
use crate::auth::grant::GrantType;
use crate::auth::net::http::Http;
use crate::auth::oauth::challenge::Challenge;
use crate::auth::oauth::discovery::{self, AuthorizationServer, Preference, ProtectedResource};
use crate::auth::oauth::id_token::IdTokenClaims;
use crate::auth::oauth::known_providers::known_quirks;
use crate::auth::oauth::metadata_urls::same_issuer;
use crate::auth::oauth::observed_quirks::ObservedQuirks;
use crate::auth::oauth::registration;
use crate::auth::oauth::scope::Scopes;
use crate::auth::oauth::token_endpoint::TokenSet;
use crate::auth::settings::Settings;
use crate::auth::store::name::{self, TokenName};
use crate::auth::store::record::{ClientRecord, TokenRecord, TokenState};
use crate::auth::text_limits::MAX_NAME;
use crate::random;
use crate::secret::Secret;
use crate::store::{self, EntryKind, Expected, Vault};
use crate::text::plain;

/// The sign-in that another program holds for one server.
#[derive(Debug, Default)]
pub struct Foreign {
    /// The authorization server that issued the tokens, if that was written down.
    pub issuer: Option<String>,
    /// The authorization server that registered the client, if that was written down.
    pub registered_by: Option<String>,
    /// The tokens.
    pub tokens: Option<ForeignTokens>,
    /// The client they were issued to.
    pub client: Option<ForeignClient>,
}

impl Foreign {
    /// The authorization servers that are written down, the tokens' first.
    fn issuers(&self) -> impl Iterator<Item = &str> {
        let both = [&self.issuer, &self.registered_by];
        both.into_iter().filter_map(Option::as_deref)
    }
}

/// Tokens from elsewhere.
#[derive(Debug)]
pub struct ForeignTokens {
    /// The access token.
    pub access: Secret,
    /// The refresh token.
    pub refresh: Option<Secret>,
    /// When they were issued, in seconds since 1970.
    pub issued: u64,
    /// The lifetime of the access token from then on.
    pub lifetime: Option<Duration>,
    /// The scopes that were granted.
    pub granted: Option<Scopes>,
    /// The scopes that were requested.
    pub requested: Option<Scopes>,
}

impl ForeignTokens {
    /// Says whether the access token has ended.
    fn has_expired(&self, now: u64) -> bool {
        let ends = |lifetime: Duration| self.issued.saturating_add(lifetime.as_secs());
        self.lifetime.is_some_and(|lifetime| now >= ends(lifetime))
    }
}

/// A registration from elsewhere.
#[derive(Debug)]
pub struct ForeignClient {
    /// `client_id`.
    pub id: String,
    /// `client_secret`.
    pub secret: Option<Secret>,
    /// When the secret ends, in seconds since 1970.
    pub expires_at: Option<u64>,
    /// `token_endpoint_auth_method`, as registered.
    pub method: Option<String>,
    /// The redirect URI it was registered with.
    pub redirect_uri: Option<String>,
}

/// The outcome of taking over a sign-in.
#[derive(Debug)]
pub enum Adopted {
    /// The next start needs no person.
    Tokens {
        /// The issuer of the tokens.
        issuer: String,
        /// True if they were renewed on the way: the old ones are worth nothing now.
        renewed: bool,
        /// True if they can be renewed later.
        is_renewable: bool,
    },
    /// There were no tokens; the next sign-in need not register.
    Client {
        /// The authorization server where it is registered.
        issuer: String,
    },
    /// The vault holds tokens for this server already, and they stay.
    AlreadySignedIn,
}

/// The judgement of a foreign sign-in that needs no request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judged {
    /// The vault holds tokens for this server already, and they stay.
    AlreadySignedIn,
    /// There are tokens that are of use.
    Tokens {
        /// True if they can be renewed.
        is_renewable: bool,
    },
    /// There is a client alone.
    Client,
}

/// The reason why a sign-in was not taken over. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Discovery failed.
    #[error(transparent)]
    Discovery(#[from] discovery::Error),
    /// The metadata document named as client is none.
    #[error(transparent)]
    Registration(#[from] registration::Error),
    /// The server has moved to another authorization server since.
    #[error("it was issued by {held}, and the server now signs in at {found}")]
    OtherIssuer {
        /// The issuer that is written down.
        held: String,
        /// The authorization server that the MCP server names.
        found: String,
    },
    /// The user fixed an authorization server that the MCP server does not name, and no issuer is written down.
    #[error(
        "it is not written down who issued it, and the server signs in at {found}, not at {fixed}"
    )]
    NotNamed {
        /// The user's.
        fixed: String,
        /// The server's.
        found: String,
    },
    /// The client's secret has ended.
    #[error("its client's secret has ended")]
    ClientExpired,
    /// The access token has ended, and nothing can bring another.
    #[error("its access token has ended and cannot be renewed")]
    Ended,
    /// It is good for every program that has it, and the user takes no such tokens (`--dpop require`).
    #[error("its tokens are not bound to a key, and --dpop require takes no others")]
    Unbound,
    /// A client that no sign-in can use: there are no tokens, and nowhere to come back to.
    #[error("it holds a client alone, and that was registered without a redirect address")]
    NoRedirect,
    /// There is nothing to take over.
    #[error("it holds neither tokens nor a client")]
    Nothing,
    /// The renewal that was to show that the tokens belong there did not succeed.
    #[error(
        "renewing it at {} to see whether it belongs there: {why}",
        plain(issuer, MAX_NAME)
    )]
    Unproven {
        /// The authorization server that the MCP server names.
        issuer: String,
        /// The refusal.
        #[source]
        why: Cause,
    },
    /// The vault.
    #[error(transparent)]
    Vault(#[from] store::Error),
}

/// Takes over `foreign` for the server and account of `settings`. `challenge` is what the server said to a request without
/// a credential.
///
/// # Errors
/// See [`Error`].
pub async fn adopt(
    foreign: Foreign,
    challenge: Option<&Challenge>,
    settings: &Settings,
    vault: &Vault,
    http: &Http,
) -> Result<Adopted, Error> {
    if judge(&foreign, settings, vault).await? == Judged::AlreadySignedIn {
        return Ok(Adopted::AlreadySignedIn);
    }
    let (resource, server) = discover(&foreign, challenge, settings, http).await?;
    let is_proven = foreign.issuer.is_some();
    let now = settings.now.seconds();
    let known_at = foreign.tokens.as_ref().map_or(0, |tokens| tokens.issued);
    let registered = foreign
        .client
        .map(|client| registration(client, known_at, &server));
    let client = registration::known(&server, settings)?
        .or_else(|| registered.as_ref().map(|it| it.client.clone()));
    let _lock = lock(settings, vault).await?;
    if is_signed_in(settings, vault).await? {
        return Ok(Adopted::AlreadySignedIn);
    }
    let issuer = server.issuer().to_owned();
    let Some(tokens) = foreign.tokens else {
        let registered = registered.ok_or(Error::Nothing)?;
        keep_client(&registered, &issuer, settings, vault).await?;
        return Ok(Adopted::Client { issuer });
    };
    let mut entry = entry(tokens, client, &resource, &server, settings);
    if entry.refresh.is_none() && (entry.has_expired(now) || entry.access.expose().is_empty()) {
        return Err(Error::Ended);
    }
    // Before a refresh token is spent: a vault that cannot be written would lose what comes back.
    let is_new = match &registered {
        Some(registered) => keep_client(registered, &issuer, settings, vault).await?,
        None => false,
    };
    let token = entry.refresh.clone().filter(|_| !is_proven);
    let renewed = token.is_some();
    if let Some(token) = token
        && let Err(why) = prove(&mut entry, &token, now, settings, http).await
    {
        if is_new {
            let name = ClientRecord::name(&issuer, settings);
            vault.remove(&name).await?;
        }
        return Err(Error::Unproven { issuer, why });
    }
    let name = entry.name(settings);
    vault
        .put(&name, EntryKind::Oauth, &entry.write(), Expected::Anything)
        .await?;
    Ok(Adopted::Tokens {
        issuer,
        renewed,
        is_renewable: entry.refresh.is_some(),
    })
}

/// Returns the resource and its authorization server, which has to be the one that issued the foreign sign-in, as far as
/// that is written down, and the one that the user fixed.
async fn discover(
    foreign: &Foreign,
    challenge: Option<&Challenge>,
    settings: &Settings,
    http: &Http,
) -> Result<(ProtectedResource, AuthorizationServer), Error> {
    let named = challenge.and_then(|challenge| challenge.resource_metadata.as_deref());
    let resource = discovery::protected_resource(http, &settings.url, named).await?;
    let fixed = settings.authorization_server.as_deref();
    let preference = Preference {
        fixed: fixed.filter(|_| foreign.issuer.is_some()),
        // Among those that the server names.
        held: foreign.issuers().next().or(fixed),
        expected: settings.expected_issuer.as_deref(),
        pkce: !settings.assume_pkce,
    };
    let server = discovery::authorization_server(http, &resource, preference).await?;
    // Either of them: a secret that one authorization server gave is not for another.
    if let Some(held) = foreign
        .issuers()
        .find(|held| !same_issuer(server.issuer(), held))
    {
        return Err(Error::OtherIssuer {
            held: plain(held, MAX_NAME),
            found: plain(server.issuer(), MAX_NAME),
        });
    }
    if let Some(fixed) = fixed
        && !same_issuer(server.issuer(), fixed)
    {
        return Err(Error::NotNamed {
            fixed: plain(fixed, MAX_NAME),
            found: plain(server.issuer(), MAX_NAME),
        });
    }
    Ok((resource, server))
}

/// Shows by a renewal that the tokens belong to the authorization server, and takes the new ones.
async fn prove(
    entry: &mut TokenRecord,
    token: &Secret,
    now: u64,
    settings: &Settings,
    http: &Http,
) -> Result<(), Cause> {
    let fresh = refresh::refresh(http, settings, None, entry, token).await?;
    entry.renew(fresh, now, random::fraction());
    Ok(())
}

/// Judges `foreign` for the server and account of `settings`, as far as that goes without asking any server. [`adopt`]
/// begins with it, so a dry run that ends with it says what an import will do unless a server is in the way.
///
/// # Errors
/// See [`Error`].
pub async fn judge(foreign: &Foreign, settings: &Settings, vault: &Vault) -> Result<Judged, Error> {
    if is_signed_in(settings, vault).await? {
        return Ok(Judged::AlreadySignedIn);
    }
    if foreign.tokens.is_some() && !settings.dpop.allows(false) {
        return Err(Error::Unbound);
    }
    let now = settings.now.seconds();
    if let Some(ends) = foreign.client.as_ref().and_then(|client| client.expires_at)
        && ends <= now
    {
        return Err(Error::ClientExpired);
    }
    let Some(tokens) = &foreign.tokens else {
        let client = foreign.client.as_ref().ok_or(Error::Nothing)?;
        return match client.redirect_uri.as_deref() {
            None | Some("") => Err(Error::NoRedirect),
            Some(_) => Ok(Judged::Client),
        };
    };
    let has_client = foreign.client.is_some()
        || settings.client_id.is_some()
        || settings.client_metadata_url.is_some();
    let is_renewable = has_client && tokens.refresh.is_some();
    if !is_renewable && (tokens.has_expired(now) || tokens.access.expose().is_empty()) {
        return Err(Error::Ended);
    }
    Ok(Judged::Tokens { is_renewable })
}

/// Returns the parts by which the sign-ins of one account at one server are found: two that share them cannot both be
/// stored under one name.
pub fn place(settings: &Settings) -> Vec<String> {
    name::identity(settings)
}

async fn lock(settings: &Settings, vault: &Vault) -> Result<store::VaultLock, store::Error> {
    let name = name::credential_lock(settings);
    vault.lock(&name, Duration::from_secs(60)).await
}

/// Says whether a start would find something to use here.
async fn is_signed_in(settings: &Settings, vault: &Vault) -> Result<bool, store::Error> {
    let now = settings.now.seconds();
    for (name, kind) in vault.list().await? {
        if kind != EntryKind::Oauth || !TokenName::parse(&name).is_for(settings) {
            continue;
        }
        let found = vault.read(&name).await?;
        let entry = found.and_then(|found| TokenRecord::read(&found.content));
        if entry.is_some_and(|entry| {
            let is_alive = entry.refresh.is_some() || !entry.has_expired(now);
            entry.state != TokenState::NeedsLogin
                && is_alive
                && settings.dpop.allows(entry.is_bound())
        }) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn registration(
    client: ForeignClient,
    known_at: u64,
    server: &AuthorizationServer,
) -> ClientRecord {
    let method = registration::method(
        client.method.as_deref(),
        client.secret.is_some(),
        server.auth_methods(),
    );
    let mut registered = ClientRecord {
        client: Client {
            id: client.id,
            secret: client.secret,
            method,
            header_only: false,
            other: None,
            source: ClientSource::Registered,
            signing: None,
        },
        redirect_uri: client.redirect_uri.unwrap_or_default(),
        expires_at: client.expires_at,
        known_at,
    };
    registered.client.other = registration::other(&registered.client, server.auth_methods());
    registered
}

/// Keeps the client for later sign-ins; false if there is one already, which serves as well.
async fn keep_client(
    registered: &ClientRecord,
    issuer: &str,
    settings: &Settings,
    vault: &Vault,
) -> Result<bool, store::Error> {
    if registered.redirect_uri.is_empty() {
        return Ok(false);
    }
    let name = ClientRecord::name(issuer, settings);
    let kind = EntryKind::ClientRegistration;
    let content = registered.write();
    match vault.put(&name, kind, &content, Expected::Absent).await {
        Ok(_) => Ok(true),
        Err(store::Error::Stale) => Ok(false),
        Err(error) => Err(error),
    }
}

fn entry(
    tokens: ForeignTokens,
    client: Option<Client>,
    resource: &ProtectedResource,
    server: &AuthorizationServer,
    settings: &Settings,
) -> TokenRecord {
    // A refresh token is good for the client it was issued to, and for no other.
    let refresh = tokens.refresh.filter(|_| client.is_some());
    let mut entry = TokenRecord {
        resource: settings.canonical_resource(),
        account: settings.account.clone(),
        issuer: server.issuer().to_owned(),
        token_endpoint: server.token_endpoint().clone(),
        revocation_endpoint: server.revocation_endpoint().cloned(),
        client: client.unwrap_or_else(Client::anonymous),
        access: tokens.access.clone(),
        refresh: None,
        obtained_at: tokens.issued,
        expires_at: None,
        refresh_at: None,
        resource_sent: resource_sent(resource, server, settings),
        scope_requested: tokens.requested.or_else(|| tokens.granted.clone()),
        scope_granted: None,
        state: TokenState::Ok,
        strikes: 0,
        last_error: None,
        scope_wanted: None,
        learned: ObservedQuirks::default(),
        grant: GrantType::User,
        dpop_key: None,
        issued_anew: Vec::new(),
        signed_in_at: settings.now.seconds(),
        authorization_origin: server.authorization_origin(),
        user: None,
        endpoint_origins: server.endpoint_origins(),
    };
    // What is shown is the ID token itself.
    let is_id = settings.use_id_token;
    let id = is_id.then(|| IdTokenClaims::read(tokens.access.expose()));
    let tokens_now = TokenSet {
        access: tokens.access,
        refresh,
        lifetime: tokens.lifetime,
        scope: tokens.granted,
        header_only: false,
        method: entry.client.method,
        is_bound: false,
        id: id.flatten(),
        user: None,
    };
    entry.renew(tokens_now, tokens.issued, random::fraction());
    entry.scope_granted = entry
        .scope_granted
        .or_else(|| entry.scope_requested.clone());
    entry
}

/// Returns what the official SDK sends: the resource as its metadata names it, as a URL prints, and nothing where there
/// is no metadata. A renewal has to say what the sign-in said.
fn resource_sent(
    resource: &ProtectedResource,
    server: &AuthorizationServer,
    settings: &Settings,
) -> Option<String> {
    if settings.send_resource == Some(false) {
        return None;
    }
    let found = || {
        let takes_it = known_quirks(server.issuer()).takes_resource;
        resource.name().filter(|_| takes_it)
    };
    let sent = settings.resource_parameter.as_deref().or_else(found)?;
    Some(Url::parse(sent).map_or_else(|_| sent.to_owned(), String::from))
}
