//! The flags of the log: its level, its place, its format.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// The flags of the log.
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

/// The format of log lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people
    #[default]
    Text,
    /// One JSON object a line
    Json,
}
