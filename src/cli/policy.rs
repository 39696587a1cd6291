//! The flags of the guard rails: what a host may list and call, how often, and what is kept of it.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::Resettable;
use clap::{Args, FromArgMatches as _, ValueEnum};

use crate::cli::units::{bytes, count, pattern, rate, result_bytes, seconds, small_bytes};
use crate::cli::usage_error::ParseError;
use crate::policy::{Pattern, Rate};

/// The heading of these flags in `--help`, by which they are known.
pub(super) const GUARD_RAILS: &str = "Guard rails";

/// Tools, prompts and resources; pins, limits, texts, and the audit.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = GUARD_RAILS)]
pub struct PolicyArgs {
    /// Lists and calls only the tools of this pattern (* is any characters); may be given several times
    #[arg(long = "allow-tool", value_name = "PATTERN", value_parser = pattern, env = "MCPIPE_ALLOW_TOOL")]
    pub allow_tools: Vec<Pattern>,
    /// Neither lists nor calls the tools of this pattern; no --allow-tool undoes it
    #[arg(long = "deny-tool", value_name = "PATTERN", value_parser = pattern, env = "MCPIPE_DENY_TOOL")]
    pub deny_tools: Vec<Pattern>,
    /// The same as --deny-tool, as mcp-remote has it
    #[arg(long = "ignore-tool", value_name = "PATTERN", value_parser = pattern, env = "MCPIPE_IGNORE_TOOL")]
    pub ignore_tools: Vec<Pattern>,
    /// Lists and calls only tools that the server calls read-only (annotation readOnlyHint)
    #[arg(long, env = "MCPIPE_READ_ONLY")]
    pub read_only: bool,
    /// Lists and gets only the prompts of this pattern
    #[arg(long = "allow-prompt", value_name = "PATTERN", value_parser = pattern, env = "MCPIPE_ALLOW_PROMPT")]
    pub allow_prompts: Vec<Pattern>,
    /// Neither lists nor gets the prompts of this pattern
    #[arg(long = "deny-prompt", value_name = "PATTERN", value_parser = pattern, env = "MCPIPE_DENY_PROMPT")]
    pub deny_prompts: Vec<Pattern>,
    /// Lists and reads only the resources whose URI has this pattern
    #[arg(long = "allow-resource", value_name = "PATTERN", value_parser = pattern, env = "MCPIPE_ALLOW_RESOURCE")]
    pub allow_resources: Vec<Pattern>,
    /// Neither lists nor reads the resources whose URI has this pattern
    #[arg(long = "deny-resource", value_name = "PATTERN", value_parser = pattern, env = "MCPIPE_DENY_RESOURCE")]
    pub deny_resources: Vec<Pattern>,
    /// Keeps the definitions of tools and prompts, and hides those that change or are new until `mcpipe pins URL approve`
    #[arg(long, env = "MCPIPE_PIN_TOOLS")]
    pub pin_tools: bool,
    /// Checks the arguments of each call against the tool's own inputSchema before it is sent
    #[arg(long, env = "MCPIPE_VALIDATE_ARGUMENTS")]
    pub validate_arguments: bool,
    /// The largest arguments of a call
    #[arg(long, value_name = "BYTES", value_parser = small_bytes, env = "MCPIPE_MAX_ARGUMENTS")]
    pub max_arguments: Option<u64>,
    /// The largest result that the host gets whole, of all tools or those of a pattern; a larger one is kept in a file and as a resource
    #[arg(long = "max-result", value_name = "[PATTERN=]BYTES", value_parser = scoped::<u64>, env = "MCPIPE_MAX_RESULT")]
    pub max_results: Vec<Scoped<u64>>,
    /// The number of tools that a list shows at most
    #[arg(long, value_name = "N", value_parser = count, env = "MCPIPE_MAX_TOOLS")]
    pub max_tools: Option<u32>,
    /// How deep arguments, results and schemas may be nested
    #[arg(long, value_name = "N", value_parser = count, env = "MCPIPE_MAX_DEPTH")]
    pub max_depth: Option<u32>,
    /// Escapes control, bidirectional and invisible characters in names, descriptions, instructions and errors, and says which
    #[arg(long, env = "MCPIPE_SANITIZE")]
    pub sanitize: bool,
    /// Calls in a time (100/m, 5/10s), of all tools or those of a pattern, for all mcpipes of this account on this machine
    #[arg(long = "rate-limit", value_name = "[PATTERN=]N/TIME", value_parser = scoped::<Rate>, env = "MCPIPE_RATE_LIMIT")]
    pub rate_limits: Vec<Scoped<Rate>>,
    /// Lets a call over a limit wait, instead of refusing it
    #[arg(long, env = "MCPIPE_RATE_LIMIT_WAIT")]
    pub rate_limit_wait: bool,
    /// How a call over a limit is refused: a JSON-RPC error, or a result with isError, which models read
    #[arg(
        long,
        value_enum,
        value_name = "FORM",
        default_value = "error",
        env = "MCPIPE_RATE_LIMIT_AS"
    )]
    pub rate_limit_as: RateLimitAs,
    /// Calls under way at once, of all tools or those of a pattern, for all mcpipes of this account on this machine
    #[arg(long = "max-concurrent", value_name = "[PATTERN=]N", value_parser = scoped::<u32>, env = "MCPIPE_MAX_CONCURRENT")]
    pub max_concurrent: Vec<Scoped<u32>>,
    /// How long a request may take, of all or of the tools of a pattern; the lowest that is for it counts, 0 is for ever
    #[arg(long = "call-timeout", value_name = "[PATTERN=]SECONDS", value_parser = scoped::<Duration>, env = "MCPIPE_CALL_TIMEOUT")]
    pub call_timeouts: Vec<Scoped<Duration>>,
    /// Refuses calls for a time when this many in a row got no answer from the server
    #[arg(long, value_name = "N", value_parser = count, env = "MCPIPE_CIRCUIT_BREAKER")]
    pub circuit_breaker: Option<u32>,
    /// Writes a line for each call and each decision to a file, each chained to the one before; calls are refused if it cannot be written
    #[arg(long, value_name = "FILE", env = "MCPIPE_AUDIT")]
    pub audit: Option<PathBuf>,
    /// The length of the file of --audit above which it is renamed to FILE.1, FILE.2 and so on, and a new one begun (default 67108864); nothing is removed
    #[arg(long, value_name = "BYTES", value_parser = bytes, env = "MCPIPE_AUDIT_MAX_SIZE")]
    pub audit_max_size: Option<u64>,
    /// Keeps the arguments of calls in the file of --audit, without secrets
    #[arg(long, env = "MCPIPE_AUDIT_ARGUMENTS")]
    pub audit_arguments: bool,
    /// Lets calls pass although the file of --audit cannot be written
    #[arg(long, env = "MCPIPE_AUDIT_BEST_EFFORT")]
    pub audit_best_effort: bool,
    /// Says and audits what would be refused, and refuses nothing
    #[arg(long, env = "MCPIPE_POLICY_DRY_RUN")]
    pub policy_dry_run: bool,
    /// The guard rails of configuration files: the administrator's, then the user's, the nearest table first.
    #[arg(skip)]
    pub files: Vec<PolicyLayer>,
}

/// The guard rails of one table of a configuration file, or of the tables for all servers.
#[derive(Clone, Debug)]
pub struct PolicyLayer {
    /// The guard rails, as flags.
    pub args: PolicyArgs,
    /// The file.
    pub path: PathBuf,
    /// The line, from 1, of each value of a key, in the order of the values.
    pub lines: Vec<(String, usize)>,
    /// The switches that are off.
    pub off: Vec<String>,
    /// True for the administrator's file.
    pub is_managed: bool,
}

/// Reads guard rails from words, each a flag with its value.
///
/// # Errors
/// A value that a flag does not take; flags that exclude each other.
pub fn policy_of(words: impl IntoIterator<Item = OsString>) -> Result<PolicyArgs, ParseError> {
    let flags = PolicyArgs::augment_args(clap::Command::new("mcpipe"));
    let flags = flags.mut_args(|argument| argument.env(Resettable::Reset));
    let words: Vec<_> = std::iter::once("mcpipe".into()).chain(words).collect();
    let matches = flags.clone().try_get_matches_from(&words);
    matches
        .and_then(|mut matches| PolicyArgs::from_arg_matches_mut(&mut matches))
        .map_err(|error| ParseError::of(error, &flags, &words))
}

/// The variables of the environment that stand for guard rails.
pub(super) const VARIABLES: [&str; 26] = [
    "MCPIPE_ALLOW_PROMPT",
    "MCPIPE_ALLOW_RESOURCE",
    "MCPIPE_ALLOW_TOOL",
    "MCPIPE_AUDIT",
    "MCPIPE_AUDIT_ARGUMENTS",
    "MCPIPE_AUDIT_BEST_EFFORT",
    "MCPIPE_AUDIT_MAX_SIZE",
    "MCPIPE_CALL_TIMEOUT",
    "MCPIPE_CIRCUIT_BREAKER",
    "MCPIPE_DENY_PROMPT",
    "MCPIPE_DENY_RESOURCE",
    "MCPIPE_DENY_TOOL",
    "MCPIPE_IGNORE_TOOL",
    "MCPIPE_MAX_ARGUMENTS",
    "MCPIPE_MAX_CONCURRENT",
    "MCPIPE_MAX_DEPTH",
    "MCPIPE_MAX_RESULT",
    "MCPIPE_MAX_TOOLS",
    "MCPIPE_PIN_TOOLS",
    "MCPIPE_POLICY_DRY_RUN",
    "MCPIPE_RATE_LIMIT",
    "MCPIPE_RATE_LIMIT_AS",
    "MCPIPE_RATE_LIMIT_WAIT",
    "MCPIPE_READ_ONLY",
    "MCPIPE_SANITIZE",
    "MCPIPE_VALIDATE_ARGUMENTS",
];

/// The form of a refusal by a limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum RateLimitAs {
    /// A JSON-RPC error
    #[default]
    Error,
    /// A result whose isError is true
    Result,
}

/// A value for all tools, or for those of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scoped<T> {
    /// The tools that it is for; all if absent.
    pub tools: Option<Pattern>,
    /// The value.
    pub value: T,
    /// Both, as they were typed.
    pub text: String,
}

/// A value behind the pattern and its `=`.
trait Value: Sized {
    fn read(text: &str) -> Result<Self, crate::cli::units::ExpectedValue>;
}

impl Value for u64 {
    fn read(text: &str) -> Result<Self, crate::cli::units::ExpectedValue> {
        result_bytes(text)
    }
}

impl Value for u32 {
    fn read(text: &str) -> Result<Self, crate::cli::units::ExpectedValue> {
        count(text)
    }
}

impl Value for Rate {
    fn read(text: &str) -> Result<Self, crate::cli::units::ExpectedValue> {
        rate(text)
    }
}

impl Value for Duration {
    fn read(text: &str) -> Result<Self, crate::cli::units::ExpectedValue> {
        seconds(text).map(Self::from_secs_f64)
    }
}

/// Reads `[PATTERN=]VALUE`; a pattern may have a `=` in it.
fn scoped<T: Value>(text: &str) -> Result<Scoped<T>, crate::cli::units::ExpectedValue> {
    let (tools, value) = match text.rsplit_once('=') {
        Some((tools, value)) => (Some(pattern(tools)?), value),
        None => (None, text),
    };
    Ok(Scoped {
        tools,
        value: T::read(value)?,
        text: text.to_owned(),
    })
}
