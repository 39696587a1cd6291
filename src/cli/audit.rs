//! The flags of `mcpipe audit …`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::audit::chain::Hash;
use crate::cli::logging::LogArgs;
use crate::cli::units::{ExpectedValue, pattern};
use crate::policy::Pattern;

/// The commands of `mcpipe audit`.
#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// Checks that no line was changed, removed, added or moved, and says where
    Verify(AuditVerifyArgs),
    /// Shows the calls and decisions, those that you ask for
    Show(Box<AuditShowArgs>),
}

impl AuditCommand {
    /// Returns the flags of the log.
    pub fn log(&self) -> &LogArgs {
        match self {
            Self::Verify(args) => &args.log,
            Self::Show(args) => &args.log,
        }
    }
}

/// `mcpipe audit verify`.
#[derive(Clone, Debug, Args)]
pub struct AuditVerifyArgs {
    /// Audit files, in any order: FILE of --audit, and FILE.1, FILE.2 and so on
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    /// Asks for a line of this hash too: a head that you noted elsewhere
    #[arg(long, value_name = "HASH", value_parser = hash)]
    pub contains: Option<Hash>,
    /// As JSON
    #[arg(long)]
    pub json: bool,
    /// The flags of the log.
    #[command(flatten)]
    pub log: LogArgs,
}

/// `mcpipe audit show`.
#[derive(Clone, Debug, Args)]
pub struct AuditShowArgs {
    /// Audit files, in any order
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    /// Only the tools, prompts and resources of this pattern
    #[arg(long, value_name = "PATTERN", value_parser = pattern)]
    pub tool: Option<Pattern>,
    /// Only the methods of this pattern (tools/*)
    #[arg(long, value_name = "PATTERN", value_parser = pattern)]
    pub method: Option<Pattern>,
    /// Only this event: call, result, refused, would_refuse, cancelled, start, end, …
    #[arg(long, value_name = "EVENT")]
    pub event: Option<String>,
    /// Only this outcome: ok, is_error, error, cancelled, unanswered
    #[arg(long, value_name = "OUTCOME")]
    pub outcome: Option<String>,
    /// Only the servers of this pattern
    #[arg(long, value_name = "PATTERN", value_parser = pattern)]
    pub server: Option<Pattern>,
    /// Only one call, by its correlation id
    #[arg(long, value_name = "CORRELATION_ID")]
    pub id: Option<String>,
    /// Only from this time on, UTC: 2026-11-30, 2026-11-30T15, 2026-11-30T15:04:05
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub since: Option<String>,
    /// Only up to this time, UTC, the named day, hour or second included
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub until: Option<String>,
    /// Only what was refused, or would have been
    #[arg(long)]
    pub refused: bool,
    /// The lines as they are, JSON
    #[arg(long)]
    pub json: bool,
    /// The flags of the log.
    #[command(flatten)]
    pub log: LogArgs,
}

fn hash(text: &str) -> Result<Hash, ExpectedValue> {
    Hash::parse(text.to_ascii_lowercase().as_bytes())
        .ok_or(ExpectedValue("a hash: 64 hexadecimal digits"))
}

/// Reads the beginning of a time as lines have it.
fn time(text: &str) -> Result<String, ExpectedValue> {
    const FORM: &str = "0000-00-00T00:00:00.000";
    const LENGTHS: [usize; 7] = [4, 7, 10, 13, 16, 19, 23];
    let text = text.trim_end_matches(['Z', 'z']).replace([' ', 't'], "T");
    let fits = text
        .bytes()
        .zip(FORM.bytes())
        .all(|(found, form)| match form {
            b'0' => found.is_ascii_digit(),
            form => found == form,
        });
    match fits && LENGTHS.contains(&text.len()) {
        true => Ok(text),
        false => Err(ExpectedValue(
            "a time, UTC, or its beginning: 2026-11-30T15:04:05",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_the_beginning_of_one() {
        for good in [
            "2026",
            "2026-11-30",
            "2026-11-30 15:04",
            "2026-11-30T15:04:05.678Z",
        ] {
            assert!(time(good).is_ok(), "{good}");
        }
        for bad in ["", "26", "2026-1-3", "2026-11-30T15:04:05.6789", "today"] {
            assert!(time(bad).is_err(), "{bad}");
        }
    }
}
