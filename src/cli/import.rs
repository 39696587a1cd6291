//! `mcpipe import`, and the flags that are taken for mcp-remote's sake.

use clap::{Args, ValueEnum};

use crate::cli::logging::LogArgs;
use crate::cli::network::NetworkArgs;
use crate::cli::sign_in::SignInArgs;
use crate::cli::vault::VaultArgs;

/// `mcpipe import`.
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// Whose sign-ins to take over
    #[arg(value_enum, value_name = "PROGRAM")]
    pub program: Program,
    /// Only shows what would be done
    #[arg(long)]
    pub dry_run: bool,
    /// Leaves the files where they are; otherwise they are renamed to *.imported
    #[arg(long)]
    pub keep: bool,
    /// Looks in this directory (otherwise MCP_REMOTE_CONFIG_DIR, otherwise ~/.mcp-auth)
    #[arg(long, value_name = "DIR")]
    pub from: Option<std::path::PathBuf>,
    /// Takes over this server only, typed as for mcp-remote; --header, --resource and the like as well
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,
    /// Looks in this project's configuration file too; those in the current directory are only listed, for others may have written them
    #[arg(long = "project", value_name = "FILE", conflicts_with = "url")]
    pub projects: Vec<std::path::PathBuf>,
    /// Takes over what this command line used, as it stands in a client's configuration
    #[arg(
        last = true,
        value_name = "npx mcp-remote …",
        conflicts_with_all = ["url", "projects"]
    )]
    pub command: Vec<String>,
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

impl ImportArgs {
    /// Says whether the user named the server; otherwise clients' configuration names the servers.
    pub fn names_one_server(&self) -> bool {
        self.url.is_some() || !self.command.is_empty()
    }
}

/// The programs whose sign-ins can be taken over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Program {
    /// mcp-remote, all versions
    McpRemote,
}

/// Flags that only mcp-remote needs. They are taken so that its command lines work as they are.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Taken for mcp-remote's sake")]
pub struct CompatArgs {
    /// Changes nothing: the proxy variables are always honoured
    #[arg(long)]
    pub enable_proxy: bool,
    /// Does nothing but say so: `mcpipe logout` forgets a sign-in
    #[arg(long)]
    pub clean: bool,
}

impl CompatArgs {
    /// Returns the warning for the user about the flags that were given.
    pub fn warning(&self) -> Option<&'static str> {
        self.clean
            .then_some("--clean does nothing here; `mcpipe logout URL` forgets a sign-in")
    }
}
