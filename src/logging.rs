//! The log: tracing events to stderr or a file, filtered, and redacted once more.
//!
//! Secrets are types that do not print; redaction is the second net under them, because hosts write our stderr to files
//! that users paste into issues.

mod output;
mod plain;
mod repeats;

use std::borrow::Cow;
use std::io::{self, Write};
use std::time::Duration;

use tracing::Metadata;
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::{Targets, filter_fn};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime as _, SystemTime};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

pub use output::Output;

use crate::cli::{LogArgs, LogFormat};
use crate::report::Failure;
use crate::secret::live;
use crate::store::files;
use repeats::{More, Repeats};

/// The time that the last lines may take to be written when the process leaves: next to nothing, if the host reads them
/// at all.
pub const LAST_LINES: Duration = Duration::from_millis(250);

/// The longest line of the log, in bytes: names and words of servers and hosts may be in it, of any length.
const LONGEST_LINE: usize = 32 * 1024;

/// The log, once it is started.
#[derive(Clone)]
pub struct Log {
    to: Output,
    repeats: Option<Repeats>,
}

impl Log {
    /// Says how many lines were left out, if the log does not say so yet, and waits until everything is written, for
    /// `patience` at most.
    pub fn finish(&self, patience: Duration) {
        if let Some(repeats) = &self.repeats {
            repeats.close(None);
        }
        self.to.drain(patience);
    }
}

/// Returns this process's stderr for a bridge or a helper: neither waits for its reader.
pub fn unread_stderr(args: Option<&LogArgs>) -> Output {
    let format = args.map(|args| args.log_format).unwrap_or_default();
    Output::queued(io::stderr(), words(format).dropped)
}

/// The reader of stderr.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reader {
    /// A user who has run a command: warnings are sentences, unless the user asks for a log.
    Person,
    /// A host, which keeps a log.
    Host,
}

/// Starts the log. `filter` is `MCPIPE_LOG`, which wins over the flags; `is_colourful` is for a terminal's stderr.
/// Returns the place the log goes to. A log file is written as `stderr` is: before each call returns, or by a thread.
///
/// # Errors
/// The log file cannot be opened, or the filter cannot be read.
pub fn install(
    args: &LogArgs,
    filter: Option<&str>,
    is_colourful: bool,
    stderr: &Output,
    reader: Reader,
) -> Result<Log, Failure> {
    let is_log = filter.is_some() || args.debug || args.verbose || args.log_file.is_some();
    let level = match args {
        LogArgs { debug: true, .. } => "mcpipe=debug",
        LogArgs { verbose: true, .. } => "mcpipe=info",
        LogArgs { silent: true, .. } => "off",
        _ => "mcpipe=warn",
    };
    let filter = targets(filter.unwrap_or(level)).ok_or_else(|| {
        Failure::usage("MCPIPE_LOG is no filter for the log")
            .hint("MCPIPE_LOG takes tracing filters, such as `mcpipe=debug`")
    })?;
    let words = words(args.log_format);
    let to = match &args.log_file {
        None => stderr.clone(),
        Some(path) => {
            let file = files::open_to_append(path).map_err(|error| {
                Failure::usage(error).hint("--log-file takes a file of yours that can be written")
            })?;
            match stderr.is_queued() {
                true => Output::queued(file, words.dropped),
                false => Output::direct(file),
            }
        }
    };
    let repeats = to
        .is_queued()
        .then(|| Repeats::new(to.clone(), words.left_out, words.more));
    let log = tracing_subscriber::fmt::layer()
        .with_writer(Redacting {
            to: to.clone(),
            too_long: words.too_long,
        })
        .with_ansi(is_colourful && args.log_file.is_none());
    let registry = tracing_subscriber::registry().with(filter);
    // A second installation happens in tests only; the first one serves.
    let _ = match args.log_format {
        LogFormat::Text if reader == Reader::Person && !is_log => {
            registry.with(log.event_format(plain::Plain)).try_init()
        }
        LogFormat::Text => registry
            // An exchange's span serves to count lines, not to be read.
            .with(log.with_target(false).with_filter(filter_fn(is_event)))
            .with(repeats.clone())
            .try_init(),
        LogFormat::Json => registry
            .with(log.json().with_filter(filter_fn(is_event)))
            .with(repeats.clone())
            .try_init(),
    };
    Ok(Log { to, repeats })
}

/// Reads a filter: levels and `target=level`, with commas between them. Returns `None` for any other text.
fn targets(filter: &str) -> Option<Targets> {
    // `Targets` accepts brackets and anything else as the name of a target that no event has.
    let is_known = |c: char| c.is_alphanumeric() || "-_:=, ".contains(c);
    if !filter.chars().all(is_known) {
        return None;
    }
    let directives: Vec<_> = filter
        .split(',')
        .map(str::trim)
        .filter(|directive| !directive.is_empty())
        .collect();
    match directives.is_empty() {
        true => Some(Targets::new()),
        false => directives.join(",").parse().ok(),
    }
}

/// The words for lines that are not in the log.
struct Words {
    /// Words for lines that the reader did not take in time.
    dropped: output::Lost,
    /// Words for lines left out, where a line of the same kind follows.
    left_out: output::Lost,
    /// Words for lines left out, where none of the same kind follows.
    more: More,
    /// Words for a line that is too long, given its size and the part kept.
    too_long: fn(usize, &str) -> String,
}

fn words(format: LogFormat) -> Words {
    const DROPPED: &str = "lines of the log were dropped here: they were not read in time";
    const LEFT_OUT: &str = "lines of the same kind as the next were left out";
    const MORE: &str = "more lines of one kind were left out";
    match format {
        LogFormat::Text => Words {
            dropped: |lines| format!("{}  WARN {lines} {DROPPED}\n", time()),
            left_out: |lines| format!("{}  WARN {lines} {LEFT_OUT}\n", time()),
            more: |lines, message| format!("{}  WARN {lines} {MORE} ({message})\n", time()),
            too_long: |bytes, start| format!("{start}… (a line of {bytes} bytes)\n"),
        },
        LogFormat::Json => Words {
            dropped: |lines| json_line(&serde_json::json!({ "message": DROPPED, "lines": lines })),
            left_out: |lines| {
                json_line(&serde_json::json!({ "message": LEFT_OUT, "lines": lines }))
            },
            more: |lines, message| {
                json_line(&serde_json::json!({ "message": MORE, "lines": lines, "kind": message }))
            },
            too_long: |bytes, start| {
                let message = "a line too long for the log";
                json_line(
                    &serde_json::json!({ "message": message, "bytes": bytes, "start": start }),
                )
            },
        },
    }
}

fn json_line(fields: &serde_json::Value) -> String {
    let line = serde_json::json!({ "timestamp": time(), "level": "WARN", "fields": fields, "target": "mcpipe::logging" });
    format!("{line}\n")
}

/// Returns the time in the format of the log's other lines.
fn time() -> String {
    let mut time = String::new();
    // A clock before 1970 is no reason to lose the line.
    let _ = SystemTime.format_time(&mut Writer::new(&mut time));
    time
}

/// Says whether a callsite is an event, and not a span.
fn is_event(about: &Metadata<'_>) -> bool {
    about.is_event()
}

#[derive(Clone)]
struct Redacting {
    to: Output,
    too_long: fn(usize, &str) -> String,
}

impl<'a> MakeWriter<'a> for Redacting {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Write for Redacting {
    /// Writes a line without its secrets: tracing hands over whole lines, so each can be redacted as one.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(line);
        let shown = live::without(&text);
        let shown = redacted(&shown);
        if shown.len() <= LONGEST_LINE {
            self.to.line(shown.as_bytes());
        } else {
            let mut end = LONGEST_LINE;
            while !shown.is_char_boundary(end) {
                end -= 1;
            }
            let start = shown.get(..end).unwrap_or_default();
            let cut = (self.too_long)(shown.len(), start);
            self.to.line(cut.as_bytes());
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Words after which a secret stands.
const SCHEMES: [&str; 3] = ["bearer ", "dpop ", "basic "];
/// Names whose values are secrets.
const NAMES: [&str; 13] = [
    "access_token",
    "refresh_token",
    "id_token",
    "client_secret",
    "client_assertion",
    "code_verifier",
    "device_code",
    "mcp-session-id",
    "api_key",
    "apikey",
    "password",
    "passphrase",
    "assertion",
];

/// Replaces texts that look like secrets: those after an authentication scheme, JSON Web Tokens, values of secret
/// names.
pub fn redacted(line: &str) -> Cow<'_, str> {
    let lower = line.to_ascii_lowercase();
    let mut hidden: Vec<(usize, usize)> = Vec::new();
    for scheme in SCHEMES {
        for (at, _) in lower.match_indices(scheme) {
            hidden.push(span(line, at + scheme.len(), 8));
        }
    }
    for (at, _) in line.match_indices("eyJ") {
        hidden.push(span(line, at, 10));
    }
    for name in NAMES {
        for (at, _) in lower.match_indices(name) {
            let after = at + name.len();
            let rest = lower.get(after..).unwrap_or("");
            let value = rest.trim_start_matches(['"', '\\', ':', '=', ' ']);
            let glue = rest.len() - value.len();
            // In prose a space follows; a value is told by its colon or equals sign.
            if rest
                .get(..glue)
                .is_some_and(|glue| glue.contains([':', '=']))
            {
                hidden.push(span(line, after + glue, 1));
            }
        }
    }
    hidden.retain(|(from, to)| from < to);
    if hidden.is_empty() {
        return Cow::Borrowed(line);
    }
    hidden.sort_unstable();
    let mut shown = String::with_capacity(line.len());
    let mut done = 0;
    for (from, to) in hidden {
        if from >= done {
            shown.push_str(line.get(done..from).unwrap_or(""));
            shown.push_str("(redacted)");
        }
        done = done.max(to);
    }
    shown.push_str(line.get(done..).unwrap_or(""));
    Cow::Owned(shown)
}

/// Returns the run of token characters from `from` on, or nothing if the run is shorter than `least`.
fn span(line: &str, from: usize, least: usize) -> (usize, usize) {
    let rest = line.get(from..).unwrap_or("");
    let is_token = |c: char| c.is_ascii_alphanumeric() || "-._~+/=%".contains(c);
    let length = rest.find(|c| !is_token(c)).unwrap_or(rest.len());
    // A word such as "required" after "Bearer" is prose, not a token; losing the word is better than keeping a token.
    if length < least {
        (from, from)
    } else {
        (from, from + length)
    }
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    #[test]
    fn a_filter_is_levels_and_targets_with_levels() {
        for (filter, target, level, passes) in [
            ("debug", "hyper", Level::DEBUG, true),
            ("debug", "hyper", Level::TRACE, false),
            ("OFF", "mcpipe", Level::ERROR, false),
            ("mcpipe=debug", "mcpipe::bridge", Level::DEBUG, true),
            ("mcpipe=debug", "hyper", Level::ERROR, false),
            ("mcpipe", "mcpipe::bridge", Level::TRACE, true),
            (
                "warn, mcpipe::era=trace,",
                "mcpipe::era",
                Level::TRACE,
                true,
            ),
            (
                "warn, mcpipe::era=trace,",
                "mcpipe::bridge",
                Level::INFO,
                false,
            ),
            (",", "mcpipe", Level::ERROR, false),
        ] {
            let read = targets(filter).unwrap();
            assert_eq!(
                read.would_enable(target, &level),
                passes,
                "{filter} {target} {level}"
            );
        }
        for filter in [
            "mcpipe=loud",
            "a=b=c",
            "[span]=debug",
            "mcpipe[{id=1}]=debug",
            "!",
        ] {
            assert!(targets(filter).is_none(), "{filter}");
        }
    }

    #[test]
    fn what_looks_like_a_secret_is_left_out_and_nothing_else() {
        for (line, shown) in [
            (
                "Authorization: Bearer abc.def-123 next",
                "Authorization: Bearer (redacted) next",
            ),
            ("got eyJhbGciOiJub25lIn0.e30. here", "got (redacted) here"),
            (
                r#"{"access_token":"s3cret","expires_in":5}"#,
                r#"{"access_token":"(redacted)","expires_in":5}"#,
            ),
            (
                "code_verifier=xyz&state=1",
                "code_verifier=(redacted)&state=1",
            ),
            ("é Mcp-Session-Id: 42 ü", "é Mcp-Session-Id: (redacted) ü"),
            ("the bearer of news", "the bearer of news"),
            ("no passphrase was typed", "no passphrase was typed"),
            ("nothing here", "nothing here"),
        ] {
            assert_eq!(redacted(line), shown);
        }
    }
}
