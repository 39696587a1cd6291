//! What the user decides about signing in, and the hooks the door lends us. Values only: nobody here reads the
//! environment or the clock.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};
use tokio::sync::{Mutex, mpsc};
use url::Url;

use crate::auth::client::{ClientKey, Method};
use crate::auth::grant::GrantConfig;
use crate::auth::net::address::canonical;
use crate::auth::notice::Announce;
use crate::auth::oauth::scope::Scopes;
use crate::auth::user_key::UserKey;
use crate::clock::Clock;
use crate::process::leads_to_passphrase;
use crate::secret::Secret;
use crate::text::split_words;
use std::ffi::OsString;
use std::path::PathBuf;

/// All the sign-in needs to know from outside.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The MCP server, as the user wrote it.
    pub resource: String,
    /// The same, parsed.
    pub url: Url,
    /// Which identity at this server.
    pub account: String,
    /// Plain `http` was allowed for this server.
    pub allow_http: bool,
    /// Servers may send us to private addresses.
    pub allow_private: bool,
    /// Keys of the user's own that go with each request, beside signing in.
    pub keys: Vec<UserKey>,
    /// A client registered beforehand.
    pub client_id: Option<String>,
    /// Its secret.
    pub client_secret: Option<Secret>,
    /// What it signs with, in the place of a secret.
    pub client_key: Option<ClientKey>,
    /// How it shows the secret; `None` leaves that to the server's metadata.
    pub client_method: Option<Method>,
    /// What a registration endpoint wants to see of us (the initial access token of RFC 7591 section 3).
    pub registration_token: Option<Secret>,
    /// The address of our client metadata document, which is then our client id where the server takes such.
    pub client_metadata_url: Option<String>,
    /// Members put over the ones we register with.
    pub client_metadata: Map<String, Value>,
    /// What we call ourselves when registering.
    pub client_name: String,
    /// Scopes fixed by the user; empty asks for none.
    pub scope: Option<Scopes>,
    /// What to send as `resource` instead of what the server calls itself.
    pub resource_parameter: Option<String>,
    /// Whether to send `resource` at all; `None` follows the provider table.
    pub send_resource: Option<bool>,
    /// Added to the authorization request.
    pub authorize_params: Vec<(String, String)>,
    /// Added to the request that spends a code.
    pub token_params: Vec<(String, String)>,
    /// Added to the requests that renew tokens.
    pub refresh_params: Vec<(String, String)>,
    /// The issuer to use, whatever the server says.
    pub authorization_server: Option<String>,
    /// What the authorization server calls itself, exactly, where that is not the name it is found by.
    pub expected_issuer: Option<String>,
    /// How a token is come by.
    pub grant: GrantConfig,
    /// Where it is asked for, whatever the server says; for grants without a person.
    pub token_endpoint: Option<Url>,
    /// Believe that the authorization server knows PKCE although it does not say so.
    pub assume_pkce: bool,
    /// Show the server the ID token instead of the access token.
    pub use_id_token: bool,
    /// Whether tokens are bound to a key.
    pub dpop: Dpop,
    /// Whether the user is to choose an account at the authorization server.
    pub select_account: SelectAccount,
    /// The port to listen on; `None` lets the system choose.
    pub callback_port: Option<u16>,
    /// The host in the redirect URI: `127.0.0.1`, `localhost`, `::1`, or a name that leads here.
    pub callback_host: Option<String>,
    /// The path in the redirect URI; `None` makes up one that cannot be guessed, where the server lets us.
    pub callback_path: Option<String>,
    /// The whole redirect URI, for a listener behind something that forwards to it.
    pub redirect_uri: Option<String>,
    /// How to show a page to the person.
    pub browser: Browser,
    /// What the browser finds in its environment.
    pub browser_environment: Environment,
    /// Sign in with a code on another device, whatever else there is.
    pub device_code: bool,
    /// Whether somebody may be there to sign in at all.
    pub attended: bool,
    /// How long a person may take.
    pub auth_timeout: Duration,
    /// Who does the sign-in so that it outlives this process; `None` does it here.
    pub helper: Option<Helper>,
    /// Whether a vault that is locked is waited for: in a bridge and its helper, where nobody can be asked.
    pub waits_for_unlock: bool,
    /// Where the browser goes on to when all is well, instead of a page of ours.
    pub success_url: Option<Url>,
    /// What a person types who cannot have a browser come back.
    pub pasted: Option<Pasted>,
    /// Where news for the person goes.
    pub announce: Announce,
    /// The wall clock.
    pub now: Clock,
}

impl Settings {
    /// For this server, everything else at its default.
    ///
    /// # Errors
    /// It is not a URL.
    pub fn new(resource: impl Into<String>, now: Clock) -> Result<Self, url::ParseError> {
        let resource = resource.into();
        let mut url = Url::parse(&resource)?;
        url.set_fragment(None);
        Ok(Self {
            resource,
            url,
            account: "default".to_owned(),
            allow_http: false,
            allow_private: false,
            keys: Vec::new(),
            client_id: None,
            client_secret: None,
            client_key: None,
            client_method: None,
            registration_token: None,
            client_metadata_url: None,
            client_metadata: Map::new(),
            client_name: "mcpipe".to_owned(),
            scope: None,
            resource_parameter: None,
            send_resource: None,
            authorize_params: Vec::new(),
            token_params: Vec::new(),
            refresh_params: Vec::new(),
            authorization_server: None,
            expected_issuer: None,
            grant: GrantConfig::User,
            token_endpoint: None,
            assume_pkce: false,
            use_id_token: false,
            dpop: Dpop::Auto,
            select_account: SelectAccount::Auto,
            callback_port: None,
            callback_host: None,
            callback_path: None,
            redirect_uri: None,
            browser: Browser::System,
            browser_environment: Environment::default(),
            device_code: false,
            attended: true,
            auth_timeout: Duration::from_secs(600),
            helper: None,
            waits_for_unlock: false,
            success_url: None,
            pasted: None,
            announce: Announce::nowhere(),
            now,
        })
    }

    /// Whether the user adds a parameter of this name to the authorization request.
    pub(super) fn authorizes_with(&self, name: &str) -> bool {
        self.authorize_params.iter().any(|(ours, _)| ours == name)
    }

    /// The canonical URI of the server (RFC 8707 section 2, RFC 3986 section 6): no fragment, no slash that the URL parser put
    /// there, one spelling of host, port and escapes.
    pub fn canonical_resource(&self) -> String {
        canonical(&self.url)
    }
}

/// How a page is shown to the person.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Browser {
    /// As the system does.
    #[default]
    System,
    /// Not at all, as the user wishes: the address is announced, and the listener waits.
    None,
    /// There is nobody who would see it: likewise, unless the server has another way (RFC 8628).
    Nowhere,
    /// A command of the user's: program and arguments, the address put where `%s` stands, else last. Never a shell.
    Command(Vec<String>),
}

impl Browser {
    /// The value of `BROWSER`: words separated by spaces, quotes keep them together. Nothing in it is none set.
    pub fn from_variable(value: &str) -> Self {
        let words = split_words(value);
        if words.is_empty() {
            Self::System
        } else {
            Self::Command(words)
        }
    }
}

/// The environment of the browser: all of the environment that the user's program gave us, for the scripts of VS Code
/// Remote, dev containers and Codespaces find their window by variables of their own. What opens the vault is not in it.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Environment(pub(super) Vec<(OsString, OsString)>);

impl Environment {
    /// Takes these variables, except those that open the vault.
    pub fn new(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        let variables = variables.into_iter();
        Self(
            variables
                .filter(|(name, _)| !leads_to_passphrase(&name.to_string_lossy()))
                .collect(),
        )
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Environment({} variables)", self.0.len())
    }
}

/// The user's choice about tokens that are bound to a key (`--dpop`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dpop {
    /// Bound where both servers know it.
    #[default]
    Auto,
    /// Always: a token that is not bound is not taken.
    Require,
    /// Never.
    Off,
}

impl Dpop {
    /// Says whether kept tokens may be used that are bound, or are not.
    pub fn allows(self, is_bound: bool) -> bool {
        match self {
            Self::Auto => true,
            Self::Require => is_bound,
            Self::Off => !is_bound,
        }
    }
}

/// Whether the authorization server is asked to let the user choose an account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SelectAccount {
    /// For a second account at an authorization server that is known to understand it.
    #[default]
    Auto,
    /// In every sign-in, whatever the server is known to understand.
    Always,
    /// Never.
    Never,
}

/// How a helper is started; the door decides.
#[derive(Clone, Debug)]
pub struct Helper {
    /// This binary.
    pub program: PathBuf,
    /// What makes it a helper.
    pub arguments: Vec<String>,
    /// All the environment it gets.
    pub environment: Vec<(String, String)>,
    /// What the door in the helper needs to come to the same settings.
    pub door: Secret,
}

/// Lines that a person types while a sign-in waits.
#[derive(Clone)]
pub struct Pasted(Arc<Mutex<mpsc::Receiver<String>>>);

impl Pasted {
    /// Takes them from there.
    pub fn new(lines: mpsc::Receiver<String>) -> Self {
        Self(Arc::new(Mutex::new(lines)))
    }

    /// The next one; waits for ever when there will be none. Safe to cancel.
    pub(super) async fn next(pasted: Option<&Self>) -> String {
        if let Some(Self(lines)) = pasted
            && let Some(line) = lines.lock().await.recv().await
        {
            return line;
        }
        std::future::pending().await
    }
}

impl fmt::Debug for Pasted {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Pasted")
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    #[test]
    fn the_canonical_resource_has_no_slash_of_our_making() {
        for (written, canonical) in [
            ("https://MCP.example.com", "https://mcp.example.com"),
            ("https://mcp.example.com/", "https://mcp.example.com"),
            ("https://mcp.example.com/mcp", "https://mcp.example.com/mcp"),
            (
                "https://mcp.example.com/mcp/",
                "https://mcp.example.com/mcp/",
            ),
            (
                "https://mcp.example.com/mcp#x",
                "https://mcp.example.com/mcp",
            ),
            (
                "https://mcp.example.com/?a=b",
                "https://mcp.example.com/?a=b",
            ),
            ("https://mcp.example.com:443/a", "https://mcp.example.com/a"),
        ] {
            let settings = Settings::new(written, Clock::new(|| SystemTime::UNIX_EPOCH)).unwrap();
            assert_eq!(settings.canonical_resource(), canonical, "{written}");
        }
    }
}
