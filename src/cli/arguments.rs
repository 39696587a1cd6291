//! The command line: the bridge's arguments, and the commands.

use clap::{Args, Parser, Subcommand};

use crate::cli::audit::AuditCommand;
use crate::cli::bridge::BridgeOptions;
use crate::cli::config::ConfigCommand;
use crate::cli::grants::KeyArgs;
use crate::cli::import::{CompatArgs, ImportArgs};
use crate::cli::logging::LogArgs;
use crate::cli::network::NetworkArgs;
use crate::cli::pins::PinsArgs;
use crate::cli::policy::PolicyArgs;
use crate::cli::sign_in::SignInArgs;
use crate::cli::units::{Port, optional_port};
use crate::cli::vault::{VaultArgs, VaultCommand};

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
                  Exit codes: 0 done, 1 failed, 2 wrong usage or settings, 3 sign-in needed, 4 network, 5 protocol, 130 interrupted. \
                  A bridge whose stdin has ended exits with 0 only if the server has answered every request, with a result or \
                  with its own error; where requests failed for several reasons, the first of 3, 4, 5 and 1 counts.",
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    disable_help_subcommand = true
)]
pub struct Cli {
    /// The command to run instead of the bridge.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// The bridge's arguments, where no command was given.
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
    /// Shows what is pinned of a server and what has changed since, and approves it
    Pins(Box<PinsArgs>),
    /// Checks and shows the files of --audit
    #[command(subcommand)]
    Audit(Box<AuditCommand>),
    /// Checks mcpipe.toml, and shows what applies to a server
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Takes over the sign-ins of mcp-remote, so that you need not sign in again
    Import(Box<ImportArgs>),
    /// Does a sign-in for another mcpipe; not for people
    #[command(name = HELPER, hide = true)]
    Helper,
}

/// The command that makes a process a helper.
pub const HELPER: &str = "sign-in-helper";

/// The bridge's own arguments.
#[derive(Debug, Args)]
pub struct BridgeArgs {
    /// The server, and the sign-in there.
    #[command(flatten)]
    pub target: TargetArgs,
    /// Fixed port for the sign-in's redirect (as --callback-port)
    #[arg(value_name = "CALLBACK_PORT", value_parser = optional_port, help_heading = None)]
    pub port: Option<Port>,
    /// The bridge's own flags.
    #[command(flatten)]
    pub options: BridgeOptions,
    /// The guard rails.
    #[command(flatten)]
    pub policy: PolicyArgs,
    /// mcp-remote's flags.
    #[command(flatten)]
    pub compat: CompatArgs,
}

/// The bridge's arguments without guard rails. A host waits at every start for the definition of each flag, and most
/// bridges have none of these.
#[derive(Debug, Args)]
pub(super) struct UnguardedArgs {
    #[command(flatten)]
    target: TargetArgs,
    #[arg(value_name = "CALLBACK_PORT", value_parser = optional_port, help_heading = None)]
    port: Option<Port>,
    #[command(flatten)]
    options: BridgeOptions,
    #[command(flatten)]
    compat: CompatArgs,
}

impl From<UnguardedArgs> for BridgeArgs {
    fn from(args: UnguardedArgs) -> Self {
        let UnguardedArgs {
            target,
            port,
            options,
            compat,
        } = args;
        Self {
            target,
            port,
            options,
            policy: PolicyArgs::default(),
            compat,
        }
    }
}

impl BridgeArgs {
    /// Returns the port of the sign-in's redirect, as flag or as second word.
    pub fn callback_port(&self) -> Option<u16> {
        let behind_url = self.port.and_then(|Port(port)| port);
        self.target.sign_in.callback_port.or(behind_url)
    }

    /// Returns the target, with the port that mcp-remote takes as its second word.
    pub fn into_target(mut self) -> TargetArgs {
        self.target.sign_in.callback_port = self.callback_port();
        self.target
    }
}

/// A server, and how to reach and convince it.
#[derive(Debug, Args)]
pub struct TargetArgs {
    /// The MCP server's address: https, or http on this machine; the bridge and login also take a domain that has a server card
    #[arg(value_name = "URL", required = true)]
    pub url: Option<String>,
    /// The flags of the connection.
    #[command(flatten)]
    pub network: NetworkArgs,
    /// The flags of the sign-in.
    #[command(flatten)]
    pub sign_in: SignInArgs,
    /// The flags that open the vault.
    #[command(flatten)]
    pub vault: VaultArgs,
    /// The flags of the log.
    #[command(flatten)]
    pub log: LogArgs,
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
    /// The flags of the connection.
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
    /// The client's key.
    #[command(flatten)]
    pub key: KeyArgs,
    /// The flags that open the vault.
    #[command(flatten)]
    pub vault: VaultArgs,
    /// The flags of the log.
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
    /// The flags that open the vault.
    #[command(flatten)]
    pub vault: VaultArgs,
    /// The flags of the log.
    #[command(flatten)]
    pub log: LogArgs,
}

/// `mcpipe token`.
#[derive(Debug, Args)]
pub struct TokenArgs {
    /// The server, and the sign-in there.
    #[command(flatten)]
    pub target: TargetArgs,
    /// As JSON: access_token, token_type, expires_at (seconds since 1970, or null), resource
    #[arg(long)]
    pub json: bool,
}

impl Cli {
    /// Returns the address of the server that the command is about, as typed.
    pub fn server(&self) -> Option<&str> {
        let url = match &self.command {
            None => &self.bridge.target.url,
            Some(Command::Login(args)) => &args.url,
            Some(Command::Token(args)) => &args.target.url,
            Some(Command::Logout(args)) => &args.url,
            Some(Command::Status(args)) => &args.url,
            Some(Command::Pins(args)) => return Some(&args.url),
            Some(
                Command::Vault(_)
                | Command::Audit(_)
                | Command::Config(_)
                | Command::Import(_)
                | Command::Helper,
            ) => {
                return None;
            }
        };
        url.as_deref()
    }

    /// Returns the flags of the connection, for a command that has them.
    pub fn network_mut(&mut self) -> Option<&mut NetworkArgs> {
        match &mut self.command {
            None => Some(&mut self.bridge.target.network),
            Some(Command::Login(args)) => Some(&mut args.network),
            Some(Command::Token(args)) => Some(&mut args.target.network),
            Some(Command::Logout(args)) => Some(&mut args.network),
            Some(
                Command::Status(_)
                | Command::Vault(_)
                | Command::Pins(_)
                | Command::Audit(_)
                | Command::Config(_)
                | Command::Import(_)
                | Command::Helper,
            ) => None,
        }
    }

    /// Returns the log flags of the command, if it has any; those of a helper are in what is handed to it.
    pub fn log(&self) -> Option<&LogArgs> {
        Some(match &self.command {
            None => &self.bridge.target.log,
            Some(Command::Login(args)) => &args.log,
            Some(Command::Logout(args)) => &args.log,
            Some(Command::Status(args)) => &args.log,
            Some(Command::Token(args)) => &args.target.log,
            Some(Command::Vault(command)) => &command.common().log,
            Some(Command::Pins(args)) => &args.log,
            Some(Command::Audit(command)) => command.log(),
            Some(Command::Config(ConfigCommand::Check(args))) => &args.log,
            Some(Command::Import(args)) => &args.log,
            Some(Command::Helper) => return None,
        })
    }
}
