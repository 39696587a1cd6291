//! What nearly every command takes: how the vault opens, and what is said on stderr.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::cli::units::descriptor;

/// How the vault opens.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Vault")]
pub struct VaultArgs {
    // Their variables are read in settings: what is given in the environment counts less than any flag.
    /// Reads the vault's passphrase from a file
    #[arg(long, value_name = "FILE")]
    pub passphrase_file: Option<PathBuf>,
    /// Reads the passphrase from an inherited file descriptor
    #[arg(long, value_name = "N", value_parser = descriptor)]
    pub passphrase_fd: Option<u32>,
    /// Reads the passphrase from a command's output (no shell)
    #[arg(long, value_name = "COMMAND")]
    pub passphrase_command: Option<String>,
    /// 'none' keeps everything in memory only
    #[arg(long, value_name = "none", value_parser = ["none"], env = "MCPIPE_VAULT")]
    pub vault: Option<String>,
}

/// What is said on stderr.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Log")]
pub struct LogArgs {
    /// Says more on stderr
    #[arg(short, long, env = "MCPIPE_VERBOSE")]
    pub verbose: bool,
    /// Says nothing on stderr but how to sign in
    #[arg(long, env = "MCPIPE_SILENT")]
    pub silent: bool,
    /// Says a great deal more, secrets still left out
    #[arg(long, env = "MCPIPE_DEBUG")]
    pub debug: bool,
    /// Logs to a file instead of stderr
    #[arg(long, value_name = "FILE", env = "MCPIPE_LOG_FILE")]
    pub log_file: Option<PathBuf>,
    /// How log lines look
    #[arg(long, value_enum, default_value = "text", env = "MCPIPE_LOG_FORMAT")]
    pub log_format: LogFormat,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people
    #[default]
    Text,
    /// One JSON object a line
    Json,
}
