//! The flags of a client's identity and of a user's sign-in. The flags of grants without a user are in `grants`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::auth::{Dpop, SelectAccount};
use crate::cli::grants::GrantArgs;
use crate::cli::units::{port, seconds};

/// The account of a user who names none.
pub const DEFAULT_ACCOUNT: &str = "default";

/// The flags of a client's identity and of a user's sign-in.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Sign-in")]
pub struct SignInArgs {
    /// Which identity at this server; a second one has the authorization server ask which account
    #[arg(
        long,
        value_name = "NAME",
        default_value = DEFAULT_ACCOUNT,
        env = "MCPIPE_ACCOUNT"
    )]
    pub account: String,
    /// Uses a client registered beforehand
    #[arg(long, value_name = "ID", env = "MCPIPE_CLIENT_ID")]
    pub client_id: Option<String>,
    /// Reads that client's secret from a file
    #[arg(long, value_name = "FILE", env = "MCPIPE_CLIENT_SECRET_FILE")]
    pub client_secret_file: Option<PathBuf>,
    /// Reads that client's secret from an environment variable
    #[arg(
        long,
        value_name = "VAR",
        env = "MCPIPE_CLIENT_SECRET_ENV",
        conflicts_with = "client_secret_file"
    )]
    pub client_secret_env: Option<String>,
    /// Names that client's secret: file:PATH, env:NAME, cred:NAME (a credential of systemd) or command:PROGRAM (no shell)
    #[arg(
        long,
        value_name = "REFERENCE",
        conflicts_with_all = ["client_secret_file", "client_secret_env"]
    )]
    pub client_secret: Option<String>,
    /// Uses a client registered beforehand, as JSON or @FILE: client_id, client_secret and the like; ${NAME} is replaced from the environment
    #[arg(
        long,
        value_name = "JSON",
        env = "MCPIPE_STATIC_OAUTH_CLIENT_INFO",
        conflicts_with_all = ["client_id", "client_secret_file", "client_secret_env", "client_secret"]
    )]
    pub static_oauth_client_info: Option<String>,
    /// Registers with these members besides or instead, as JSON or @FILE; a scope among them is the one asked for
    #[arg(long, value_name = "JSON", env = "MCPIPE_STATIC_OAUTH_CLIENT_METADATA")]
    pub static_oauth_client_metadata: Option<String>,
    /// Reads from a file the token a registration endpoint wants to see
    #[arg(long, value_name = "FILE", env = "MCPIPE_DCR_TOKEN_FILE")]
    pub dcr_token_file: Option<PathBuf>,
    /// Reads that token from an environment variable
    #[arg(
        long,
        value_name = "VAR",
        env = "MCPIPE_DCR_TOKEN_ENV",
        conflicts_with = "dcr_token_file"
    )]
    pub dcr_token_env: Option<String>,
    /// Names that token as --client-secret does a secret
    #[arg(
        long,
        value_name = "REFERENCE",
        conflicts_with_all = ["dcr_token_file", "dcr_token_env"]
    )]
    pub dcr_token: Option<String>,
    /// Registers under this name
    #[arg(
        long,
        value_name = "NAME",
        default_value = "mcpipe",
        env = "MCPIPE_CLIENT_NAME"
    )]
    pub client_name: String,
    /// Uses this client metadata document where the server takes such
    #[arg(long, value_name = "URL", env = "MCPIPE_CLIENT_METADATA_URL")]
    pub client_metadata_url: Option<String>,
    /// Asks for these scopes, whatever the server suggests; empty asks for none
    #[arg(long, value_name = "SCOPES", env = "MCPIPE_SCOPE")]
    pub scope: Option<String>,
    /// Sends this as the resource parameter (RFC 8707)
    #[arg(long, value_name = "URI", env = "MCPIPE_RESOURCE")]
    pub resource: Option<String>,
    /// Sends no resource parameter
    #[arg(long, env = "MCPIPE_DISABLE_RESOURCE_PARAMETER")]
    pub disable_resource_parameter: bool,
    /// Adds a parameter to the authorization request
    #[arg(long = "authorize-param", value_name = "KEY=VALUE")]
    pub authorize_params: Vec<String>,
    /// Adds a parameter to the request that brings the first tokens
    #[arg(long = "token-param", value_name = "KEY=VALUE")]
    pub token_params: Vec<String>,
    /// Adds a parameter to the requests that renew them
    #[arg(long = "refresh-param", value_name = "KEY=VALUE")]
    pub refresh_params: Vec<String>,
    /// Shows the server the ID token instead of the access token
    #[arg(long, env = "MCPIPE_USE_ID_TOKEN")]
    pub use_id_token: bool,
    /// Uses this authorization server, whatever the server names
    #[arg(long, value_name = "URL", env = "MCPIPE_AUTHORIZATION_SERVER")]
    pub authorization_server: Option<String>,
    /// Accepts the authorization server that calls itself exactly this, although the server leads to it by another name
    #[arg(long, value_name = "ISSUER", env = "MCPIPE_EXPECT_ISSUER")]
    pub expect_issuer: Option<String>,
    /// Uses PKCE although the authorization server does not say that it supports it
    #[arg(long, env = "MCPIPE_ASSUME_PKCE")]
    pub assume_pkce: bool,
    /// Binds tokens to a key, so that a stolen token is useless (DPoP, RFC 9449)
    #[arg(long, value_enum, default_value = "auto", env = "MCPIPE_DPOP")]
    pub dpop: DpopArg,
    /// Has the authorization server ask which account: 'auto' for a second --account where it is known to understand that
    #[arg(
        long,
        value_enum,
        value_name = "WHEN",
        num_args = 0..=1,
        require_equals = true,
        default_value = "auto",
        default_missing_value = "always",
        env = "MCPIPE_SELECT_ACCOUNT"
    )]
    pub select_account: SelectAccountArg,
    /// Opens no browser: mcpipe prints the address to visit on stderr, and 'login' takes a pasted answer
    #[arg(long, env = "MCPIPE_NO_BROWSER")]
    pub no_browser: bool,
    /// Signs in with a short code typed in on another device, where the server has that
    #[arg(long, env = "MCPIPE_DEVICE_CODE")]
    pub device_code: bool,
    /// Listens for the redirect on this port
    #[arg(long, value_name = "PORT", value_parser = port, env = "MCPIPE_CALLBACK_PORT")]
    pub callback_port: Option<u16>,
    /// Names this host in the redirect address
    #[arg(
        long,
        value_name = "HOST",
        alias = "host",
        env = "MCPIPE_CALLBACK_HOST"
    )]
    pub callback_host: Option<String>,
    /// Names this path in the redirect address
    #[arg(long, value_name = "PATH", env = "MCPIPE_CALLBACK_PATH")]
    pub callback_path: Option<String>,
    /// Uses this redirect address, for something that forwards to mcpipe; the sign-in is then not tied to your browser
    #[arg(long, value_name = "URI", env = "MCPIPE_REDIRECT_URI")]
    pub redirect_uri: Option<String>,
    /// Sends the browser on to this page when the sign-in is done
    #[arg(long, value_name = "URL", env = "MCPIPE_AUTH_SUCCESS_URL")]
    pub auth_success_url: Option<String>,
    /// How long you may take to sign in
    #[arg(long, value_name = "SECONDS", default_value = "600", value_parser = seconds, env = "MCPIPE_AUTH_TIMEOUT")]
    pub auth_timeout: f64,
    /// The flags of grants without a user.
    #[command(flatten)]
    pub grant: GrantArgs,
}

/// The choice whether tokens are bound to a key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum DpopArg {
    /// Where both servers know it
    #[default]
    Auto,
    /// Always, or not at all
    Require,
    /// Never
    Off,
}

/// The choice whether the user selects an account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum SelectAccountArg {
    /// For a second account, where the server is known to understand it
    #[default]
    Auto,
    /// In every sign-in
    Always,
    /// Never
    Never,
}

impl From<SelectAccountArg> for SelectAccount {
    fn from(arg: SelectAccountArg) -> Self {
        match arg {
            SelectAccountArg::Auto => Self::Auto,
            SelectAccountArg::Always => Self::Always,
            SelectAccountArg::Never => Self::Never,
        }
    }
}

impl From<DpopArg> for Dpop {
    fn from(arg: DpopArg) -> Self {
        match arg {
            DpopArg::Auto => Self::Auto,
            DpopArg::Require => Self::Require,
            DpopArg::Off => Self::Off,
        }
    }
}
