//! `mcpipe config`: the configuration files, checked and shown.

use clap::{Args, Subcommand};

use crate::cli::logging::LogArgs;

/// `mcpipe config`.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Checks the configuration files; with a server's address, shows each value that applies to it and where it was set
    Check(ConfigCheckArgs),
}

/// `mcpipe config check`.
#[derive(Debug, Args)]
pub struct ConfigCheckArgs {
    /// The server whose settings to show
    #[arg(value_name = "URL")]
    pub url: Option<String>,
    /// Which identity at this server
    #[arg(long, value_name = "NAME", requires = "url")]
    pub account: Option<String>,
    /// As JSON
    #[arg(long)]
    pub json: bool,
    /// The flags of the log.
    #[command(flatten)]
    pub log: LogArgs,
}
