//! The arguments of a command about one server.

use clap::Args;

use crate::cli::logging::LogArgs;
use crate::cli::network::NetworkArgs;
use crate::cli::sign_in::SignInArgs;
use crate::cli::vault::VaultArgs;

/// A server, and how to reach and convince it.
#[derive(Debug, Args)]
pub struct TargetArgs {
    /// The MCP server: its address (https, or http on this machine), or an alias; the bridge and login also take a domain that has a server card
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
