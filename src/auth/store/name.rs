//! The names of the records in the vault, and of the locks and side files that processes share.
//!
//! The only place that knows the parts of a name and their order. A name is a JSON array of texts, readable (the vault
//! encrypts names with the content), and holds all that keeps two records apart: account, resource, issuer, client and
//! the parameters that the user fixed. Versions of mcpipe that run in parallel must come to the same names.

use serde_json::to_string;

use crate::auth::client::Method;
use crate::auth::net::address::canonical_text;
use crate::auth::oauth::scope::Scopes;
use crate::auth::settings::Settings;

/// The name of tokens, taken apart. A name that another version has written may lack parts.
#[derive(Clone, Debug)]
pub(in crate::auth) struct TokenName(Vec<String>);

impl TokenName {
    /// Reads a name; one that is no array of texts has no parts.
    pub(in crate::auth) fn parse(name: &str) -> Self {
        Self(serde_json::from_str(name).unwrap_or_default())
    }

    pub(in crate::auth) fn account(&self) -> Option<&str> {
        self.part(ACCOUNT)
    }

    pub(in crate::auth) fn resource(&self) -> Option<&str> {
        self.part(RESOURCE)
    }

    pub(in crate::auth) fn issuer(&self) -> Option<&str> {
        self.part(ISSUER)
    }

    pub(in crate::auth) fn client_id(&self) -> Option<&str> {
        self.part(CLIENT_ID)
    }

    fn part(&self, at: usize) -> Option<&str> {
        self.0.get(at).map(String::as_str)
    }

    /// Says whether the tokens are for this account at this server, in every spelling of its address.
    pub(in crate::auth) fn is_of(&self, settings: &Settings) -> bool {
        is_of(&self.0, settings)
    }

    /// Says whether the tokens are for this account at this server, under the parameters that the user has fixed now.
    pub(in crate::auth) fn is_for(&self, settings: &Settings) -> bool {
        let Some((fixed, rest)) = self.0.split_last() else {
            return false;
        };
        let client = settings.client_id.as_ref();
        is_of(rest, settings)
            && *fixed == fixed_parameters(settings)
            && client.is_none_or(|id| rest.get(CLIENT_ID) == Some(id))
    }
}

const ACCOUNT: usize = 1;
const RESOURCE: usize = 2;
const ISSUER: usize = 3;
const CLIENT_ID: usize = 4;

fn is_of(parts: &[String], settings: &Settings) -> bool {
    let [kind, account, resource] = subject(settings);
    matches!(parts, [its_kind, its_account, its_resource, ..]
        if *its_kind == kind && *its_account == account && canonical_text(its_resource) == resource)
}

/// Returns the name of tokens. Tokens that are bound to a key and tokens that are not (`--dpop`) have different names.
pub(super) fn of_tokens(
    settings: &Settings,
    issuer: &str,
    client_id: &str,
    method: Method,
    is_bound: bool,
) -> String {
    let method = method.name();
    let mut parts = subject(settings).to_vec();
    parts.extend([
        issuer.to_owned(),
        client_id.to_owned(),
        match is_bound {
            true => format!("{method} DPoP"),
            false => method.to_owned(),
        },
        fixed_parameters(settings),
    ]);
    to_string(&parts).unwrap_or_default()
}

/// Returns the name of a client that mcpipe has registered: the issuer, and mcpipe's metadata for a registration.
pub(super) fn of_client(settings: &Settings, issuer: &str) -> String {
    let metadata = to_string(&settings.client_metadata).unwrap_or_default();
    let scope = settings.scope.as_ref().map(Scopes::to_string);
    let mut parts: Vec<String> = vec![
        "client".to_owned(),
        issuer.to_owned(),
        settings.client_name.clone(),
        settings.callback_host.clone().unwrap_or_default(),
        settings.callback_path.clone().unwrap_or_default(),
        settings.redirect_uri.clone().unwrap_or_default(),
        scope.unwrap_or_default(),
        metadata,
    ];
    // An expected issuer does not prove which server holds the registration: a client that one MCP server's
    // metadata led to is not shown to another authorization server of the same name.
    if settings.expected_issuer.is_some() {
        parts.push(settings.canonical_resource());
    }
    to_string(&parts).unwrap_or_default()
}

/// Returns the issuer in the name of a registered client.
pub(in crate::auth) fn issuer_of_client(name: &str) -> Option<String> {
    let parts: Vec<String> = serde_json::from_str(name).ok()?;
    parts.into_iter().nth(1)
}

/// Returns the parts by which the tokens of one account at one server are found: two sign-ins that share them cannot
/// both be stored under one name.
pub(in crate::auth) fn identity(settings: &Settings) -> Vec<String> {
    let mut parts = subject(settings).to_vec();
    parts.push(fixed_parameters(settings));
    parts
}

/// Returns the name of the lock, or of the note beside the vault, that all processes of this account at this server
/// share for `what`: `credential` excludes them from each other while one renews tokens.
pub fn shared_name(what: &str, settings: &Settings) -> String {
    format!("{what} {}", subject(settings).join(" "))
}

/// Returns the name of the lock that excludes the processes of this account at this server from each other while one
/// of them uses the tokens in the vault up, or replaces them.
pub(in crate::auth) fn credential_lock(settings: &Settings) -> String {
    shared_name("credential", settings)
}

/// Returns the parts that begin the names of all tokens of this account at this server, and of their locks.
fn subject(settings: &Settings) -> [String; 3] {
    [
        "oauth".to_owned(),
        settings.account.clone(),
        settings.canonical_resource(),
    ]
}

/// Returns the parameters that the user has fixed: tokens that were obtained with others do not count.
fn fixed_parameters(settings: &Settings) -> String {
    let scope = settings.scope.as_ref().map(Scopes::to_string);
    let fixed = (
        scope,
        &settings.resource_parameter,
        &settings.authorize_params,
        &settings.token_params,
    );
    // A user's tokens and those of a grant without a user are kept apart.
    let text = match settings.grant.pin() {
        None => to_string(&fixed),
        Some(grant) => to_string(&(fixed, grant)),
    };
    text.unwrap_or_default()
}
