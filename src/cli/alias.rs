//! `mcpipe alias`: names for servers.

use clap::{Args, Subcommand};

use crate::cli::logging::LogArgs;

/// `mcpipe alias`.
#[derive(Debug, Subcommand)]
pub enum AliasCommand {
    /// Keeps an address, and flags that always go with it, under a name
    Add(AliasAddArgs),
    /// Shows the aliases
    List(AliasListArgs),
    /// Forgets an alias
    Remove(AliasRemoveArgs),
}

impl AliasCommand {
    /// Returns the flags of the log; those of a new alias belong to the alias.
    pub fn log(&self) -> Option<&LogArgs> {
        match self {
            Self::Add(_) => None,
            Self::List(args) => Some(&args.log),
            Self::Remove(args) => Some(&args.log),
        }
    }
}

/// `mcpipe alias add`.
#[derive(Debug, Args)]
pub struct AliasAddArgs {
    /// The name, which can then be typed wherever an address can
    #[arg(value_name = "NAME")]
    pub name: String,
    /// The server's address, and flags of the bridge in any order; no secrets: ${vault:NAME}, --bearer and header files lead to those
    #[arg(
        value_name = "URL [FLAG]",
        required = true,
        trailing_var_arg = true,
        allow_hyphen_values = true
    )]
    pub bridge: Vec<String>,
}

/// `mcpipe alias list`.
#[derive(Debug, Args)]
pub struct AliasListArgs {
    /// As JSON
    #[arg(long)]
    pub json: bool,
    /// The flags of the log.
    #[command(flatten)]
    pub log: LogArgs,
}

/// `mcpipe alias remove`.
#[derive(Debug, Args)]
pub struct AliasRemoveArgs {
    /// The alias to forget
    #[arg(value_name = "NAME")]
    pub name: String,
    /// The flags of the log.
    #[command(flatten)]
    pub log: LogArgs,
}
