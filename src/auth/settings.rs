//! The user's decisions about signing in, and the functions that the command supplies. Holds values only: nothing in
//! this file reads the environment or the clock.

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

/// The settings of a sign-in, all from outside.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The MCP server, as the user wrote it.
    pub resource: String,
    /// The MCP server's address, parsed.
    pub url: Url,
    /// The name of the user's account at this server.
    pub account: String,
    /// True if the user allows plain `http` for this server.
    pub allow_http: bool,
    /// True if servers may send mcpipe to private addresses.
    pub allow_private: bool,
    /// Keys of the user's own that go with each request, beside signing in.
    pub keys: Vec<UserKey>,
    /// A client registered beforehand.
    pub client_id: Option<String>,
    /// The secret of that client.
    pub client_secret: Option<Secret>,
    /// The key with which the client signs, in the place of a secret.
    pub client_key: Option<ClientKey>,
    /// The way in which the client sends the secret; `None` leaves the choice to the server's metadata.
    pub client_method: Option<Method>,
    /// The token that a registration endpoint wants to see (the initial access token of RFC 7591 section 3).
    pub registration_token: Option<Secret>,
    /// The address of mcpipe's client metadata document, which is the client id where the server takes such ids.
    pub client_metadata_url: Option<String>,
    /// Members that replace those of mcpipe's registration request.
    pub client_metadata: Map<String, Value>,
    /// The client name in registration requests.
    pub client_name: String,
    /// The scopes that the user has fixed; an empty set asks for none.
    pub scope: Option<Scopes>,
    /// The `resource` parameter to send instead of the server's own name.
    pub resource_parameter: Option<String>,
    /// True to send `resource`, false to leave it out; `None` follows the table of known providers.
    pub send_resource: Option<bool>,
    /// Parameters added to the authorization request.
    pub authorize_params: Vec<(String, String)>,
    /// Parameters added to the request that redeems a code.
    pub token_params: Vec<(String, String)>,
    /// Parameters added to the requests that renew tokens.
    pub refresh_params: Vec<(String, String)>,
    /// The issuer to use, regardless of the server's metadata.
    pub authorization_server: Option<String>,
    /// The exact issuer in the authorization server's metadata, where that is not the name in its address.
    pub expected_issuer: Option<String>,
    /// The way to get tokens.
    pub grant: GrantConfig,
    /// The token endpoint to use, regardless of the server's metadata; for grants without a user.
    pub token_endpoint: Option<Url>,
    /// True to assume that the authorization server supports PKCE although its metadata does not say so.
    pub assume_pkce: bool,
    /// True to send the MCP server the ID token instead of the access token.
    pub use_id_token: bool,
    /// The user's choice about tokens that are bound to a key.
    pub dpop: Dpop,
    /// The user's decision about choosing an account at the authorization server.
    pub select_account: SelectAccount,
    /// The port to listen on; `None` lets the system choose.
    pub callback_port: Option<u16>,
    /// The host in the redirect URI: `127.0.0.1`, `localhost`, `::1`, or a name that leads here.
    pub callback_host: Option<String>,
    /// The path in the redirect URI; `None` makes up an unpredictable one, where the server allows that.
    pub callback_path: Option<String>,
    /// The whole redirect URI, for a listener behind something that forwards to it.
    pub redirect_uri: Option<String>,
    /// The way to show a page to the user.
    pub browser: Browser,
    /// The environment of the browser.
    pub browser_environment: Environment,
    /// True to sign in with a code on another device, even where another way is possible.
    pub device_code: bool,
    /// True if a user may be present to sign in.
    pub attended: bool,
    /// The time that a user may take to sign in.
    pub auth_timeout: Duration,
    /// The process that does the sign-in so that it outlives this one; `None` signs in here.
    pub helper: Option<Helper>,
    /// True to wait for a locked vault: in a bridge and its helper, which cannot ask the user.
    pub waits_for_unlock: bool,
    /// The address to which the browser goes after a successful sign-in, instead of a page of mcpipe's.
    pub success_url: Option<Url>,
    /// The addresses pasted by a user whose browser cannot come back.
    pub pasted: Option<Pasted>,
    /// The destination of news for the user.
    pub announce: Announce,
    /// The wall clock.
    pub now: Clock,
}

impl Settings {
    /// Returns the settings for this server, everything else at its default.
    ///
    /// # Errors
    /// A `resource` that is not a URL.
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

    /// Says whether the user adds a parameter of this name to the authorization request.
    pub(super) fn authorizes_with(&self, name: &str) -> bool {
        self.authorize_params.iter().any(|(ours, _)| ours == name)
    }

    /// Returns the canonical URI of the server (RFC 8707 section 2, RFC 3986 section 6): no fragment, no slash that the
    /// URL parser put there, one spelling of host, port and escapes.
    pub fn canonical_resource(&self) -> String {
        canonical(&self.url)
    }
}

/// The way in which a page is shown to the user.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Browser {
    /// The browser that the system starts.
    #[default]
    System,
    /// No browser, by the user's choice: mcpipe announces the address, and the listener waits.
    None,
    /// No browser, because no user would see it: mcpipe announces the address and waits, unless the server has another
    /// way (RFC 8628).
    Nowhere,
    /// A command of the user's: program and arguments, with the address in the place of `%s`, else last. Never a shell.
    Command(Vec<String>),
}

impl Browser {
    /// Reads the value of `BROWSER`: words separated by spaces, where quotes keep words together. An empty value counts
    /// as unset.
    pub fn from_variable(value: &str) -> Self {
        let words = split_words(value);
        if words.is_empty() {
            Self::System
        } else {
            Self::Command(words)
        }
    }
}

/// The environment of the browser: all of the environment that the user's program gave mcpipe, because the scripts of
/// VS Code Remote, dev containers and Codespaces find their window by variables of their own. Variables that open the
/// vault are left out.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Environment(pub(super) Vec<(OsString, OsString)>);

impl Environment {
    /// Returns these variables, except those that open the vault.
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
    /// Bound tokens where both servers support them.
    #[default]
    Auto,
    /// Bound tokens only: a token that is not bound is refused.
    Require,
    /// No bound tokens.
    Off,
}

impl Dpop {
    /// Says whether stored tokens may be used that are bound, or are not.
    pub fn allows(self, is_bound: bool) -> bool {
        match self {
            Self::Auto => true,
            Self::Require => is_bound,
            Self::Off => !is_bound,
        }
    }
}

/// The user's decision about asking the authorization server to let the user choose an account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SelectAccount {
    /// A choice for a second account at an authorization server that is known to support it.
    #[default]
    Auto,
    /// A choice in every sign-in, even if the server is not known to support it.
    Always,
    /// No request for a choice.
    Never,
}

/// The command line and the environment of a helper, chosen by the command.
#[derive(Clone, Debug)]
pub struct Helper {
    /// The path of this binary.
    pub program: PathBuf,
    /// The arguments that make the process a helper.
    pub arguments: Vec<String>,
    /// The helper's whole environment.
    pub environment: Vec<(String, String)>,
    /// The text from which the helper's command derives the same settings.
    pub caller_environment: Secret,
}

/// Lines that the user types while a sign-in waits.
#[derive(Clone)]
pub struct Pasted(Arc<Mutex<mpsc::Receiver<String>>>);

impl Pasted {
    /// Takes the lines from this channel.
    pub fn new(lines: mpsc::Receiver<String>) -> Self {
        Self(Arc::new(Mutex::new(lines)))
    }

    /// Returns the next line; waits for ever when there will be none. Safe to cancel.
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
