//! The steps of a sign-in up to the user, taken by themselves: where it would lead, as which client, and what is stored.
//!
//! These are the functions of a sign-in, with a trace of the places that they look at. Nothing is registered, shown, renewed
//! or written, and no secret is sent: `mcpipe doctor` looks at each step.

use std::sync::Arc;

use crate::auth::Cause;
use crate::auth::flow::issuer_check::{self, LastUsed};
use crate::auth::flow::status_record::{Phase, StatusRecord, fingerprint};
use crate::auth::flow::{device, dpop_policy, sign_in};
use crate::auth::issuer_change::Changed;
use crate::auth::net::http::{Http, Trace, Visit};
use crate::auth::net::loopback;
use crate::auth::oauth::challenge::Challenge;
use crate::auth::oauth::discovery::{self, AuthorizationServer, ProtectedResource};
use crate::auth::oauth::known_providers::known_quirks;
use crate::auth::oauth::registration::FIXED_PATH;
use crate::auth::oauth::scope::Scopes;
use crate::auth::settings::Settings;
use crate::auth::store::credential_store::{self, CredentialStore};
use crate::auth::store::locked_vault::Unlocking;
pub use crate::auth::store::name::FixedParameters;
use crate::auth::store::name::{TokenName, shared_name};
use crate::auth::store::record::{ClientRecord, TokenRecord};
use crate::store::{self, EntryKind, Vault};

/// The result of a search, with the places that were looked at, in their order.
#[derive(Clone, Debug)]
pub struct Looked<T> {
    /// The thing that was looked for.
    pub found: Result<T, discovery::Error>,
    /// The places.
    pub places: Vec<Visit>,
}

/// Looks for the metadata of the protected resource, as a sign-in does after this challenge.
pub async fn resource(
    http: &Http,
    settings: &Settings,
    challenge: &Challenge,
) -> Looked<ProtectedResource> {
    let trace = Trace::default();
    let http = http.traced_by(&trace);
    let found = sign_in::resource_of(&http, settings, challenge).await;
    let places = trace.take();
    Looked { found, places }
}

/// Looks for the authorization server, as a sign-in does. `held` is the issuer of the last sign-in.
pub async fn server(
    http: &Http,
    settings: &Settings,
    resource: &ProtectedResource,
    held: Option<&str>,
) -> Looked<AuthorizationServer> {
    let trace = Trace::default();
    let http = http.traced_by(&trace);
    let preference = sign_in::preference(settings, held);
    let found = discovery::authorization_server(&http, resource, preference).await;
    let places = trace.take();
    Looked { found, places }
}

/// Returns the scopes that a sign-in asks for. `before` is what is stored.
pub fn scope(
    settings: &Settings,
    challenge: &Challenge,
    resource: &ProtectedResource,
    server: &AuthorizationServer,
    before: Option<&TokenRecord>,
) -> Option<Scopes> {
    let before = before.filter(|record| record.issuer == server.issuer());
    sign_in::scope(settings, challenge, resource, server, before)
}

/// Says whether the tokens of a sign-in would be bound to a key. `before` is what is stored.
///
/// # Errors
/// The user insists, and the authorization server does not offer it.
pub fn binds_tokens(
    settings: &Settings,
    challenge: &Challenge,
    resource: &ProtectedResource,
    server: &AuthorizationServer,
    before: Option<&TokenRecord>,
) -> Result<bool, Cause> {
    let before = before.filter(|record| record.issuer == server.issuer());
    dpop_policy::is_wanted(settings, challenge, resource, server, before)
}

/// Says whether a sign-in would be by a code that is typed in on another device.
///
/// # Errors
/// The user wants it, and the authorization server has none.
pub fn is_by_device(settings: &Settings, server: &AuthorizationServer) -> Result<bool, Cause> {
    device::is_wanted(settings, server)
}

/// Returns the redirect URI that a client has to have that is registered by hand. `port` is used where the user has fixed
/// none.
pub fn redirect_uri(settings: &Settings, server: &AuthorizationServer, port: u16) -> String {
    let quirks = known_quirks(server.issuer());
    let host = settings.callback_host.as_deref();
    let host = host.or(quirks.callback_host).unwrap_or("127.0.0.1");
    let host = match host.contains(':') {
        true => format!("[{host}]"),
        false => host.to_owned(),
    };
    let port = settings.callback_port.unwrap_or(port);
    let path = settings.callback_path.as_deref().unwrap_or(FIXED_PATH);
    let made = format!("http://{host}:{port}{path}");
    settings.redirect_uri.clone().unwrap_or(made)
}

/// Says whether the listener of a sign-in could be opened at this port of the host in a redirect URI now.
///
/// # Errors
/// The port is taken, or may not be opened.
pub async fn can_listen(host: &str, port: u16) -> std::io::Result<()> {
    loopback::listeners(host, port).await.map(drop)
}

/// The vault's content about one account at one server.
#[derive(Clone, Debug)]
pub struct Stored {
    /// The tokens that requests would be sent with.
    pub tokens: Option<TokenRecord>,
    /// The parameters under which further tokens of this account are stored, which these settings do not use.
    pub under_other_flags: Vec<FixedParameters>,
    /// The accounts of this server, each once.
    pub accounts: Vec<String>,
    last: LastUsed,
}

impl Stored {
    /// Returns the issuer of the last sign-in.
    pub fn issuer(&self) -> Option<&str> {
        self.last.issuer()
    }

    /// Returns the difference between the authorization server found now and the one used last, if the user has to decide
    /// on it.
    pub fn changed(
        &self,
        settings: &Settings,
        resource: &ProtectedResource,
        server: &AuthorizationServer,
    ) -> Option<Changed> {
        issuer_check::changed(settings, &self.last, resource, server)
    }
}

/// The reason why nothing can be said of what is stored.
#[derive(Debug, thiserror::Error)]
pub enum Unread {
    /// A vault that cannot be read.
    #[error(transparent)]
    Vault(#[from] store::Error),
    /// An entry of another version.
    #[error("the stored entry for this server was written by another version")]
    ForeignRecord,
    /// Any other reason.
    #[error("{0}")]
    Other(String),
}

impl From<credential_store::Error> for Unread {
    fn from(error: credential_store::Error) -> Self {
        match error {
            credential_store::Error::Vault(error) => Self::Vault(error),
            credential_store::Error::ForeignRecord => Self::ForeignRecord,
            other @ credential_store::Error::Registration(_) => Self::Other(other.to_string()),
        }
    }
}

impl From<Cause> for Unread {
    fn from(cause: Cause) -> Self {
        match cause {
            Cause::Vault(error) => Self::Vault(error),
            Cause::ForeignRecord => Self::ForeignRecord,
            other => Self::Other(other.to_string()),
        }
    }
}

/// Reads what the vault holds for the account of these settings at their server.
///
/// # Errors
/// The vault cannot be read.
pub async fn stored(settings: &Settings, vault: &Arc<Vault>) -> Result<Stored, Unread> {
    let store = credentials(settings, vault);
    let tokens = store.stored().await?.map(|tokens| tokens.entry);
    let last = issuer_check::last_used(&store, settings).await?;
    let mut under_other_flags = Vec::new();
    let mut accounts = Vec::new();
    for (name, kind) in vault.list().await? {
        let name = TokenName::parse(&name);
        if kind != EntryKind::Oauth {
            continue;
        }
        if name.is_of(settings) && !name.is_for(settings) {
            under_other_flags.extend(name.fixed());
        }
        let here = name.resource() == Some(&settings.canonical_resource());
        accounts.extend(name.account().filter(|_| here).map(str::to_owned));
    }
    accounts.sort_unstable();
    accounts.dedup();
    Ok(Stored {
        tokens,
        under_other_flags,
        accounts,
        last,
    })
}

/// Says whether the client that the user brings may be shown to this authorization server: it was not used at another
/// one for this server.
///
/// # Errors
/// It belongs to another one; or the vault cannot be read.
pub async fn client_belongs_there(
    settings: &Settings,
    vault: &Arc<Vault>,
    server: &AuthorizationServer,
) -> Result<(), Unread> {
    let store = credentials(settings, vault);
    match &settings.client_id {
        Some(id) => Ok(store.belongs_there(Some(id), server).await?),
        None => Ok(()),
    }
}

/// Returns the client that mcpipe has registered at this authorization server, ended or not.
///
/// # Errors
/// The vault cannot be read.
pub async fn registration(
    settings: &Settings,
    vault: &Vault,
    issuer: &str,
) -> Result<Option<ClientRecord>, store::Error> {
    let found = vault.read(&ClientRecord::name(issuer, settings)).await?;
    Ok(found.and_then(|found| ClientRecord::read(&found.content)))
}

fn credentials(settings: &Settings, vault: &Arc<Vault>) -> CredentialStore {
    let settings = Arc::new(settings.clone());
    CredentialStore::new(Arc::clone(vault), settings, Unlocking::new())
}

/// The last sign-in, as the processes of this machine know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attempted {
    /// No sign-in is known, or it ended without a word.
    Nothing,
    /// A process of this machine is about to ask the user.
    Begun,
    /// A process of this machine waits for the user.
    Waiting {
        /// The authorization server's host.
        host: String,
        /// True if a browser was started.
        is_shown: bool,
        /// True if a code is to be typed on another device.
        is_by_code: bool,
    },
    /// A process that waited for the user has ended without an end of the sign-in.
    Orphaned,
    /// It brought tokens.
    Done,
    /// It brought none.
    Failed {
        /// The reason, as the user was told.
        why: String,
        /// The hint that went with it.
        hint: Option<String>,
        /// The number of pages shown within ten minutes, if no more are shown unasked.
        windows: Option<usize>,
    },
}

/// Returns what the note beside the vault says of the last sign-in. The note needs no key.
///
/// # Errors
/// The note cannot be read.
pub async fn attempted(settings: &Settings, vault: &Vault) -> Result<Attempted, store::Error> {
    let name = shared_name("sign-in", settings);
    let Some(text) = vault.side_file(&name).await? else {
        return Ok(Attempted::Nothing);
    };
    let record = StatusRecord::read(&text);
    // The note exists, and so does its directory: the lock makes none.
    let is_held = match vault.lock(&name, std::time::Duration::ZERO).await {
        Ok(_) => false,
        Err(store::Error::Busy { .. }) => true,
        Err(why) => return Err(why),
    };
    let windows = record.too_many_windows(&fingerprint(settings), settings.now.seconds());
    let windows = windows.map(|(windows, _)| windows);
    Ok(match record.phase {
        Phase::Idle => Attempted::Nothing,
        Phase::Done => Attempted::Done,
        Phase::Started | Phase::WaitingForUser(_) if !is_held => Attempted::Orphaned,
        Phase::Started => Attempted::Begun,
        Phase::WaitingForUser(page) => Attempted::Waiting {
            host: page.host,
            is_shown: page.opened,
            is_by_code: page.user_code.is_some(),
        },
        Phase::Failed(ended) => Attempted::Failed {
            why: ended.text,
            hint: ended.hint,
            windows,
        },
    })
}

/// Returns the seconds for which the authorization server wants no registration, as it has said to a process of this
/// machine (HTTP 429).
///
/// # Errors
/// The note cannot be read.
pub async fn registration_pause(
    settings: &Settings,
    vault: &Vault,
    issuer: &str,
) -> Result<Option<u64>, store::Error> {
    let note = vault.side_file(&format!("patience {issuer}")).await?;
    let until = note.and_then(|note| note.trim().parse::<u64>().ok());
    let left = until.and_then(|until| until.checked_sub(settings.now.seconds()));
    Ok(left.filter(|left| *left > 0))
}
