//! The command line, parsed, and nothing done about it.
//!
//! Flags keep mcp-remote's names where it has them. Each may also come from `MCPIPE_<FLAG>`, which clap reads; every
//! other variable of the environment is for settings.rs. The commands are here; flags that several of them take are in
//! files by subject, as `--help` has them.

mod bridge;
mod environment;
mod given_flags;
mod grants;
pub mod import;
mod logging;
mod network;
mod sign_in;
mod units;
mod usage_error;
mod vault;

use std::ffi::OsString;

use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

pub use bridge::{BridgeOptions, ProtocolArg, TransportArg};
pub use given_flags::given_flags;
pub use grants::{GrantArgs, KeyArgs};
pub use logging::{LogArgs, LogFormat};
pub use network::NetworkArgs;
pub use sign_in::{DEFAULT_ACCOUNT, DpopArg, SignInArgs};
pub use units::Port;
pub use usage_error::{ParseError, TORN, UsageError};
pub use vault::{
    Common, Cost, ExportArgs, ExportPassphraseArgs, ImportArgs, InitArgs, NameArgs,
    NewPassphraseArgs, Opens, PasswdArgs, ProtectArgs, PutArgs, ShowArgs, SlotAddArgs, SlotArgs,
    SlotCommand, SlotRotateArgs, UnlockArgs, VaultArgs, VaultCommand,
};

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
    /// Takes over the sign-ins of mcp-remote, so that you need not sign in again
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
    /// The server, and the sign-in there.
    #[command(flatten)]
    pub target: TargetArgs,
    /// Fixed port for the sign-in's redirect (as --callback-port)
    #[arg(value_name = "CALLBACK_PORT", value_parser = units::optional_port, help_heading = None)]
    pub port: Option<Port>,
    /// The bridge's own flags.
    #[command(flatten)]
    pub options: BridgeOptions,
    /// mcp-remote's flags.
    #[command(flatten)]
    pub compat: import::CompatArgs,
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
    /// The MCP server's address: https, or http on this machine
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
    /// Returns the log flags of the command, if it has any; a helper's are in its letter.
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

/// Reads the command line.
///
/// # Errors
/// The command line asks for help or the version, or cannot be understood.
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Cli, ParseError> {
    let words: Vec<OsString> = args.into_iter().collect();
    let command = environment::named(Cli::command());
    let cli = command
        .clone()
        .try_get_matches_from(&words)
        .and_then(|matches| Cli::from_arg_matches(&matches))
        .map_err(|error| ParseError::of(error, &command, &words))?;
    // clap's `conflicts_with` would not do: to it MCPIPE_SILENT=0 is --silent too.
    match cli.log() {
        Some(log) if log.verbose && log.silent => Err(ParseError::Usage(UsageError::new(
            "--verbose and --silent are opposites",
            "leave one of them out",
        ))),
        _ => Ok(cli),
    }
}

#[cfg(test)]
mod tests {
    use crate::cli::*;

    fn cli(words: &str) -> Result<Cli, ParseError> {
        parse(
            std::iter::once("mcpipe")
                .chain(words.split_whitespace())
                .map(OsString::from),
        )
    }

    #[test]
    fn every_flag_explains_itself() {
        let mut command = Cli::command();
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
        let bridge = cli("--grace 2 https://a.example/mcp 4000 --header A:b --header=B:c").unwrap();
        assert!(bridge.command.is_none());
        assert_eq!(
            bridge.bridge.target.url.as_deref(),
            Some("https://a.example/mcp")
        );
        assert_eq!(bridge.bridge.callback_port(), Some(4000));
        assert_eq!(bridge.bridge.target.network.headers, ["A:b", "B:c"]);
    }

    #[test]
    fn commands_are_commands() {
        assert!(matches!(
            cli("status --json").unwrap().command,
            Some(Command::Status(_))
        ));
        assert!(matches!(
            cli("logout --all").unwrap().command,
            Some(Command::Logout(_))
        ));
        assert!(matches!(
            cli("token --json https://a.example").unwrap().command,
            Some(Command::Token(_))
        ));
        assert!(matches!(
            cli("login https://a.example").unwrap().command,
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
            assert!(cli(words).is_err(), "{words}");
        }
    }
}
