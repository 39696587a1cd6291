//! What was typed, and nothing done about it.
//!
//! Flags keep mcp-remote's names where it has them (interface.md). Each may also come from `MCPIPE_<FLAG>`, which clap
//! reads; everything else in the environment is for settings.rs.

mod common;
mod grants;
pub mod import;
mod units;
mod variables;
mod vault;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum};

pub use common::{DpopArg, LogArgs, LogFormat, VaultArgs};
pub use grants::{GrantArgs, KeyArgs};
pub use vault::{
    Common, Cost, ExportArgs, ExportPassphraseArgs, ImportArgs, InitArgs, NameArgs,
    NewPassphraseArgs, Opens, PasswdArgs, ProtectArgs, PutArgs, ShowArgs, SlotAddArgs, SlotArgs,
    SlotCommand, SlotRotateArgs, UnlockArgs, VaultCommand,
};

use crate::era::{Protocol, Transport};
use units::{duration, seconds};

/// A stdio-to-HTTP MCP bridge.
#[derive(Debug, Parser)]
#[command(
    name = "mcpipe",
    version,
    about = "Bridges an MCP host on stdio to a remote MCP server over HTTPS: signs in, keeps the tokens encrypted, \
             and never loses a message",
    after_help = "An MCP host starts it as the command of a stdio server:\n\n    \
                  {\"mcpServers\": {\"example\": {\"command\": \"mcpipe\", \"args\": [\"https://mcp.example.com/mcp\"]}}}\n\n\
                  Every flag that takes one value or none can also be given as MCPIPE_<FLAG>, dashes as underscores; a switch \
                  as 1, yes, on, 0, no or off. MCPIPE_HOME moves everything \
                  mcpipe keeps; MCPIPE_PASSPHRASE and MCPIPE_PASSPHRASE_FILE open the vault; MCPIPE_LOG filters the log.\n\n\
                  Exit codes: 0 done, 1 failed, 2 wrong usage or settings, 3 sign-in needed, 4 network, 5 protocol.",
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    disable_help_subcommand = true
)]
pub struct Asked {
    /// What to do instead of bridging.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Bridging, when no command was given.
    #[command(flatten)]
    pub bridge: BridgeArgs,
}

/// Everything but the bridge.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Signs in now, in a browser, and stores the tokens
    Login(Box<TargetArgs>),
    /// Revokes and forgets the tokens for a server, or for all
    Logout(Box<LogoutArgs>),
    /// Shows what is stored, for whom, and until when; never a secret
    Status(StatusArgs),
    /// Prints a token that is valid now, for curl and scripts
    Token(Box<TokenArgs>),
    /// Makes, opens, protects and checks the vault, and keeps secrets in it
    #[command(subcommand)]
    Vault(Box<VaultCommand>),
    /// Takes over the sign-ins of another program, so that nobody has to sign in again
    Import(Box<import::ImportArgs>),
    /// Does a sign-in for another mcpipe; not for people
    #[command(name = HELPER, hide = true)]
    Helper,
}

/// The command that makes a process a helper.
pub const HELPER: &str = "sign-in-helper";

/// The bridge's own arguments.
#[derive(Debug, Args)]
pub struct BridgeArgs {
    /// Where to go and how to sign in there.
    #[command(flatten)]
    pub target: TargetArgs,
    /// Fixed port for the sign-in's redirect (as --callback-port)
    #[arg(value_name = "CALLBACK_PORT", help_heading = None)]
    pub port: Option<u16>,
    /// How to speak.
    #[command(flatten)]
    pub speaking: SpeakingArgs,
    /// mcp-remote's.
    #[command(flatten)]
    pub compat: import::CompatArgs,
}

impl BridgeArgs {
    /// The target, with the port that mcp-remote takes as its second word.
    pub fn into_target(mut self) -> TargetArgs {
        let port = self.target.sign_in.callback_port.or(self.port);
        self.target.sign_in.callback_port = port;
        self.target
    }
}

/// A server, and how to reach and convince it.
#[derive(Debug, Args)]
pub struct TargetArgs {
    /// The MCP server's address: https, or http on this machine
    #[arg(value_name = "URL", required = true)]
    pub url: Option<String>,
    /// How to reach it.
    #[command(flatten)]
    pub network: NetworkArgs,
    /// How to sign in.
    #[command(flatten)]
    pub sign_in: SignInArgs,
    /// How the vault opens.
    #[command(flatten)]
    pub vault: VaultArgs,
    /// What is said on stderr.
    #[command(flatten)]
    pub log: LogArgs,
}

/// Headers, TLS, timeouts.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Network")]
pub struct NetworkArgs {
    /// Adds a header to every request; ${NAME} is replaced from the environment, ${vault:NAME} from the vault, and an Authorization of yours switches sign-in off
    #[arg(long = "header", value_name = "NAME: VALUE")]
    pub headers: Vec<String>,
    /// Reads headers from a file, one 'Name: value' per line, # starts a comment
    #[arg(long = "header-file", value_name = "FILE")]
    pub header_files: Vec<PathBuf>,
    /// Adds the headers a program prints, as 'Name: value' lines or a JSON object; run (no shell) for the first request and again on a 401, with the server in MCPIPE_URL
    #[arg(long, value_name = "COMMAND", env = "MCPIPE_HEADER_COMMAND")]
    pub header_command: Option<String>,
    /// Sends 'Authorization: Bearer' with the secret that `mcpipe vault put NAME` keeps
    #[arg(long, value_name = "NAME", env = "MCPIPE_BEARER")]
    pub bearer: Option<String>,
    /// Allows plain http to hosts other than this machine
    #[arg(long, env = "MCPIPE_ALLOW_HTTP")]
    pub allow_http: bool,
    /// Allows the server's metadata to lead to private addresses
    #[arg(long, env = "MCPIPE_ALLOW_PRIVATE")]
    pub allow_private: bool,
    /// Trusts the certificates in a PEM file, beside the system's
    #[arg(long = "ca", value_name = "FILE", env = "MCPIPE_CA")]
    pub ca: Vec<PathBuf>,
    /// Shows this certificate to servers that ask for one: a PEM file, the certificate first, then those that vouch for it
    #[arg(long, value_name = "FILE", env = "MCPIPE_CLIENT_CERT")]
    pub client_cert: Option<PathBuf>,
    /// Reads that certificate's private key from a PEM file, not encrypted; otherwise it is looked for beside the certificate
    #[arg(
        long,
        value_name = "FILE",
        requires = "client_cert",
        env = "MCPIPE_CLIENT_CERT_KEY"
    )]
    pub client_cert_key: Option<PathBuf>,
    /// Uses IPv4 addresses only
    #[arg(long, env = "MCPIPE_IPV4")]
    pub ipv4: bool,
    /// Keeps no cookies (otherwise in memory, for sticky load balancers)
    #[arg(long, env = "MCPIPE_DISABLE_COOKIES")]
    pub disable_cookies: bool,
    /// How long connecting may take, TLS included
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds, env = "MCPIPE_CONNECT_TIMEOUT")]
    pub connect_timeout: f64,
    /// How long a response may take to begin; 0 for ever
    #[arg(long, value_name = "SECONDS", default_value = "300", value_parser = seconds, env = "MCPIPE_HEADERS_TIMEOUT")]
    pub headers_timeout: f64,
    /// How long a response may be silent; 0 for ever
    #[arg(long, value_name = "SECONDS", default_value = "0", value_parser = seconds, env = "MCPIPE_BODY_TIMEOUT")]
    pub body_timeout: f64,
    /// The largest message taken from either side
    #[arg(long, value_name = "BYTES", default_value = "134217728", value_parser = clap::value_parser!(u64).range(1024..), env = "MCPIPE_MAX_MESSAGE_SIZE")]
    pub max_message_size: u64,
}

/// How the bridge speaks, waits and leaves.
#[derive(Debug, Args)]
#[command(next_help_heading = "Bridge")]
pub struct SpeakingArgs {
    /// Which transport to try first
    #[arg(
        long,
        value_enum,
        default_value = "http-first",
        env = "MCPIPE_TRANSPORT"
    )]
    pub transport: TransportArg,
    /// Which protocol era to speak with the server: 'legacy' begins with initialize (2025-11-25 and before), 'modern' is 2026-07-28
    #[arg(long, value_enum, default_value = "auto", env = "MCPIPE_PROTOCOL")]
    pub protocol: ProtocolArg,
    /// How long to wait for answers when stdin has ended
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = seconds, env = "MCPIPE_GRACE")]
    pub grace: f64,
    /// How long one request may take; 0 for ever
    #[arg(long, value_name = "SECONDS", default_value = "0", value_parser = seconds, env = "MCPIPE_CALL_TIMEOUT")]
    pub call_timeout: f64,
    /// Requests at the server at once; more wait their turn
    #[arg(long, value_name = "N", default_value = "512", value_parser = clap::value_parser!(u32).range(1..=4096), env = "MCPIPE_MAX_IN_FLIGHT")]
    pub max_in_flight: u32,
    /// Lets everything wait for a sign-in, even `initialize`, instead of answering the host meanwhile
    #[arg(long, env = "MCPIPE_WAIT_FOR_LOGIN")]
    pub wait_for_login: bool,
    /// Pings the server now and then
    #[arg(long, env = "MCPIPE_KEEP_ALIVE")]
    pub keep_alive: bool,
    /// How often (implies --keep-alive; default 30)
    #[arg(long, value_name = "SECONDS", value_parser = seconds, env = "MCPIPE_PING_INTERVAL")]
    pub ping_interval: Option<f64>,
    /// Gives a server's lists again for this long (500ms, 30s, 2m) if it does not say itself how long they are good; by default they are asked for each time
    #[arg(long, value_name = "TIME", value_parser = duration, env = "MCPIPE_CACHE_TTL")]
    pub cache_ttl: Option<Duration>,
    /// Writes everything said to a file, as a transcript without secrets
    #[arg(long, value_name = "FILE", env = "MCPIPE_RECORD")]
    pub record: Option<PathBuf>,
}

/// Which era to speak.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum ProtocolArg {
    /// Whichever the server speaks
    Auto,
    /// The handshake of 2025-11-25 and before
    Legacy,
    /// 2026-07-28
    Modern,
}

impl From<ProtocolArg> for Protocol {
    fn from(arg: ProtocolArg) -> Self {
        match arg {
            ProtocolArg::Auto => Self::Auto,
            ProtocolArg::Legacy => Self::Legacy,
            ProtocolArg::Modern => Self::Modern,
        }
    }
}

/// mcp-remote's words for the order of transports.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum TransportArg {
    /// Streamable HTTP, then HTTP+SSE
    HttpFirst,
    /// HTTP+SSE, then Streamable HTTP
    SseFirst,
    /// Streamable HTTP only
    HttpOnly,
    /// HTTP+SSE only
    SseOnly,
}

impl From<TransportArg> for Transport {
    fn from(arg: TransportArg) -> Self {
        match arg {
            TransportArg::HttpFirst => Self::HttpFirst,
            TransportArg::SseFirst => Self::SseFirst,
            TransportArg::HttpOnly => Self::HttpOnly,
            TransportArg::SseOnly => Self::SseOnly,
        }
    }
}

/// Who we are at the authorization server, and how a person signs in.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Sign-in")]
pub struct SignInArgs {
    /// Which identity at this server
    #[arg(
        long,
        value_name = "NAME",
        default_value = "default",
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
    /// Uses a client registered beforehand, as JSON or @FILE: client_id, client_secret and the like; ${NAME} is replaced from the environment
    #[arg(
        long,
        value_name = "JSON",
        env = "MCPIPE_STATIC_OAUTH_CLIENT_INFO",
        conflicts_with_all = ["client_id", "client_secret_file", "client_secret_env"]
    )]
    pub static_oauth_client_info: Option<String>,
    /// Registers with these members besides or instead, as JSON or @FILE; a scope among them is the one asked for
    #[arg(long, value_name = "JSON", env = "MCPIPE_STATIC_OAUTH_CLIENT_METADATA")]
    pub static_oauth_client_metadata: Option<String>,
    /// Reads from a file the token a registration endpoint wants to see
    #[arg(long, value_name = "FILE", env = "MCPIPE_DCR_TOKEN_FILE")]
    pub dcr_token_file: Option<PathBuf>,
    /// Reads it from an environment variable
    #[arg(
        long,
        value_name = "VAR",
        env = "MCPIPE_DCR_TOKEN_ENV",
        conflicts_with = "dcr_token_file"
    )]
    pub dcr_token_env: Option<String>,
    /// Names us when registering
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
    /// Believes that the authorization server knows PKCE although it does not say so
    #[arg(long, env = "MCPIPE_ASSUME_PKCE")]
    pub assume_pkce: bool,
    /// Binds tokens to a key, so that who steals one cannot use it (DPoP); 'require' takes no others, 'auto' binds where both servers know it
    #[arg(long, value_enum, default_value = "auto", env = "MCPIPE_DPOP")]
    pub dpop: DpopArg,
    /// Opens no browser; the address to visit is said on stderr
    #[arg(long, env = "MCPIPE_NO_BROWSER")]
    pub no_browser: bool,
    /// Signs in with a short code typed in on another device, where the server has that
    #[arg(long, env = "MCPIPE_DEVICE_CODE")]
    pub device_code: bool,
    /// Listens for the redirect on this port
    #[arg(long, value_name = "PORT", env = "MCPIPE_CALLBACK_PORT")]
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
    /// Uses this redirect address, which something forwards to us
    #[arg(long, value_name = "URI", env = "MCPIPE_REDIRECT_URI")]
    pub redirect_uri: Option<String>,
    /// Sends the browser on to this page when the sign-in is done
    #[arg(long, value_name = "URL", env = "MCPIPE_AUTH_SUCCESS_URL")]
    pub auth_success_url: Option<String>,
    /// How long a person may take to sign in
    #[arg(long, value_name = "SECONDS", default_value = "600", value_parser = seconds, env = "MCPIPE_AUTH_TIMEOUT")]
    pub auth_timeout: f64,
    /// Without a person.
    #[command(flatten)]
    pub grant: GrantArgs,
}

/// `mcpipe logout`.
#[derive(Debug, Args)]
pub struct LogoutArgs {
    /// The server to forget
    #[arg(value_name = "URL", required_unless_present = "all")]
    pub url: Option<String>,
    /// Forgets every server
    #[arg(long, conflicts_with = "url")]
    pub all: bool,
    /// How to reach it.
    #[command(flatten)]
    pub network: NetworkArgs,
    /// Which identity.
    #[arg(
        long,
        value_name = "NAME",
        default_value = "default",
        env = "MCPIPE_ACCOUNT"
    )]
    pub account: String,
    /// What proves the client, where that is a key.
    #[command(flatten)]
    pub key: KeyArgs,
    /// How the vault opens.
    #[command(flatten)]
    pub vault: VaultArgs,
    /// What is said on stderr.
    #[command(flatten)]
    pub log: LogArgs,
}

/// `mcpipe status`.
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// Only this server
    #[arg(value_name = "URL")]
    pub url: Option<String>,
    /// As JSON
    #[arg(long)]
    pub json: bool,
    /// How the vault opens.
    #[command(flatten)]
    pub vault: VaultArgs,
    /// What is said on stderr.
    #[command(flatten)]
    pub log: LogArgs,
}

/// `mcpipe token`.
#[derive(Debug, Args)]
pub struct TokenArgs {
    /// Whose token.
    #[command(flatten)]
    pub target: TargetArgs,
    /// As JSON: access_token, token_type, expires_at (seconds since 1970, or null), resource
    #[arg(long)]
    pub json: bool,
}

impl Asked {
    /// The log flags of whatever was asked; a helper's are in its letter.
    pub fn log(&self) -> Option<&LogArgs> {
        Some(match &self.command {
            None => &self.bridge.target.log,
            Some(Command::Login(args)) => &args.log,
            Some(Command::Logout(args)) => &args.log,
            Some(Command::Status(args)) => &args.log,
            Some(Command::Token(args)) => &args.target.log,
            Some(Command::Vault(command)) => &command.common().log,
            Some(Command::Import(args)) => &args.log,
            Some(Command::Helper) => return None,
        })
    }
}

/// Reads the command line. `--help`, `--version` and mistakes come back as clap's error, which knows what to print
/// and whether it is a failure.
///
/// # Errors
/// As said.
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Asked, clap::Error> {
    let command = variables::named(Asked::command());
    let asked = Asked::from_arg_matches(&command.try_get_matches_from(args)?)?;
    // Not clap's `conflicts_with`, to which MCPIPE_SILENT=0 is --silent too.
    match asked.log() {
        Some(log) if log.verbose && log.silent => {
            let opposites = "--verbose and --silent are opposites";
            Err(Asked::command().error(ErrorKind::ArgumentConflict, opposites))
        }
        _ => Ok(asked),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(words: &str) -> Result<Asked, clap::Error> {
        parse(
            std::iter::once("mcpipe")
                .chain(words.split_whitespace())
                .map(OsString::from),
        )
    }

    #[test]
    fn every_flag_explains_itself() {
        let mut command = Asked::command();
        command.build();
        let mut commands = vec![&command];
        while let Some(command) = commands.pop() {
            assert!(command.get_about().is_some(), "{}", command.get_name());
            commands.extend(command.get_subcommands());
            for argument in command.get_arguments() {
                let (command, argument, help) =
                    (command.get_name(), argument.get_id(), argument.get_help());
                assert!(help.is_some(), "{command}: {argument} has no help");
            }
        }
    }

    #[test]
    fn an_address_alone_is_the_bridge_and_flags_may_stand_anywhere() {
        let bridge =
            asked("--grace 2 https://a.example/mcp 4000 --header A:b --header=B:c").unwrap();
        assert!(bridge.command.is_none());
        assert_eq!(
            bridge.bridge.target.url.as_deref(),
            Some("https://a.example/mcp")
        );
        assert_eq!(bridge.bridge.port, Some(4000));
        assert_eq!(bridge.bridge.target.network.headers, ["A:b", "B:c"]);
    }

    #[test]
    fn commands_are_commands() {
        assert!(matches!(
            asked("status --json").unwrap().command,
            Some(Command::Status(_))
        ));
        assert!(matches!(
            asked("logout --all").unwrap().command,
            Some(Command::Logout(_))
        ));
        assert!(matches!(
            asked("token --json https://a.example").unwrap().command,
            Some(Command::Token(_))
        ));
        assert!(matches!(
            asked("login https://a.example").unwrap().command,
            Some(Command::Login(_))
        ));
    }

    #[test]
    fn mistakes_are_mistakes() {
        for words in [
            "",
            "--grace x https://a",
            "--nonsense https://a",
            "logout",
            "login",
            "--max-in-flight 0 https://a",
            "--cache-ttl 5 https://a",
        ] {
            assert!(asked(words).is_err(), "{words}");
        }
    }
}
