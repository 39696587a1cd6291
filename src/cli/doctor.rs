//! `mcpipe doctor`.

use clap::Args;

use crate::cli::bridge::BridgeOptions;
use crate::cli::import::CompatArgs;
use crate::cli::policy::PolicyArgs;
use crate::cli::target::TargetArgs;

/// `mcpipe doctor`: the arguments of the bridge, so that those of a host can be checked as they are.
#[derive(Debug, Args)]
#[command(mut_arg("url", |url| url.required(false).required_unless_present_any(["list", "explain"])))]
pub struct DoctorArgs {
    /// The server, and the sign-in there.
    #[command(flatten)]
    pub target: TargetArgs,
    /// As JSON, one document; names of hosts, paths and accounts are replaced
    #[arg(long)]
    pub json: bool,
    /// Replaces the names of hosts, paths and accounts, so that the output can be shown to others
    #[arg(long, conflicts_with = "no_redact")]
    pub redact: bool,
    /// Leaves the names as they are, with --json too
    #[arg(long)]
    pub no_redact: bool,
    /// Compares what the server lists with the stored sign-in, with the headers that you configure, and without either
    #[arg(long)]
    pub compare: bool,
    /// Shows all codes of findings
    #[arg(long, conflicts_with_all = ["url", "explain"])]
    pub list: bool,
    /// Says what a code means, how it comes about, and what to do
    #[arg(long, value_name = "CODE", conflicts_with = "url")]
    pub explain: Option<String>,
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

impl DoctorArgs {
    /// Says whether names are to be replaced.
    pub fn is_redacted(&self) -> bool {
        self.redact || self.json && !self.no_redact
    }
}
