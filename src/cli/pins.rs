//! `mcpipe pins`.

use clap::{Args, ValueEnum};

use crate::cli::{LogArgs, VaultArgs};

/// `mcpipe pins`.
#[derive(Debug, Args)]
pub struct PinsArgs {
    /// The server whose pins are shown
    #[arg(value_name = "URL")]
    pub url: String,
    /// What is done with them, instead of showing them
    #[arg(value_name = "ACTION", value_enum)]
    pub action: Option<PinsAction>,
    /// What is approved; all that is shown where none is named
    #[arg(value_name = "NAME", requires = "action")]
    pub names: Vec<String>,
    /// As JSON
    #[arg(long)]
    pub json: bool,
    /// Which identity.
    #[arg(
        long,
        value_name = "NAME",
        default_value = "default",
        env = "MCPIPE_ACCOUNT"
    )]
    pub account: String,
    /// The flags that open the vault.
    #[command(flatten)]
    pub vault: VaultArgs,
    /// The flags of the log.
    #[command(flatten)]
    pub log: LogArgs,
}

/// The things that `mcpipe pins` does beside showing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PinsAction {
    /// Accepts what has changed, is new or has vanished
    Approve,
    /// Judges what is kept by written rules, offline: hidden text, orders to a model, secrets (--json: SARIF 2.1.0)
    Scan,
    /// Forgets all pins, so that a bridge pins what it sees next
    Forget,
}
