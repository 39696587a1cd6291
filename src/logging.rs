//! The log: tracing events to stderr or a file, filtered, and redacted once more.
//!
//! Secrets are types that do not print; this is the second net under them, because hosts write our stderr to files that
//! people paste into issues (T11, security.md 3.13).

use std::borrow::Cow;
use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use crate::cli::{LogArgs, LogFormat};
use crate::report::Failure;
use crate::store::file;

/// Starts the log. `filter` is `MCPIPE_LOG`, which wins over the flags; `is_colourful` is for a terminal's stderr.
///
/// # Errors
/// The log file cannot be opened, or the filter cannot be read.
pub fn install(args: &LogArgs, filter: Option<&str>, is_colourful: bool) -> Result<(), Failure> {
    let level = match args {
        LogArgs { debug: true, .. } => "mcpipe=debug",
        LogArgs { verbose: true, .. } => "mcpipe=info",
        LogArgs { silent: true, .. } => "off",
        _ => "mcpipe=warn",
    };
    let filter = EnvFilter::try_new(filter.unwrap_or(level)).map_err(|error| {
        Failure::usage(error).hint("MCPIPE_LOG takes tracing filters, such as `mcpipe=debug`")
    })?;
    let to: Arc<Mutex<dyn Write + Send>> = match &args.log_file {
        None => Arc::new(Mutex::new(io::stderr())),
        Some(path) => {
            let file = file::open_to_append(path).map_err(|error| {
                Failure::usage(error).hint("--log-file takes a file of yours that can be written")
            })?;
            Arc::new(Mutex::new(file))
        }
    };
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(Redacting { to })
        .with_ansi(is_colourful && args.log_file.is_none());
    // A second installation happens in tests only; the first one serves.
    let _ = match args.log_format {
        LogFormat::Text => log.with_target(false).try_init(),
        LogFormat::Json => log.json().try_init(),
    };
    Ok(())
}

#[derive(Clone)]
struct Redacting {
    to: Arc<Mutex<dyn Write + Send>>,
}

impl<'a> MakeWriter<'a> for Redacting {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Write for Redacting {
    /// tracing hands over whole lines, so a line can be looked at as one.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(line);
        // A poisoned lock means that another thread panicked while writing; the log goes on.
        let mut to = self
            .to
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        to.write_all(redacted(&text).as_bytes())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .flush()
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

/// Takes out what looks like a secret: what follows an authentication scheme, JSON web tokens, values of secret names.
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

/// The run of token characters from `from` on, or nothing if it is shorter than `least`.
fn span(line: &str, from: usize, least: usize) -> (usize, usize) {
    let rest = line.get(from..).unwrap_or("");
    let is_token = |c: char| c.is_ascii_alphanumeric() || "-._~+/=%".contains(c);
    let length = rest.find(|c| !is_token(c)).unwrap_or(rest.len());
    // A word such as "required" after "Bearer" is prose, not a token; better to lose it than to keep a token.
    if length < least {
        (from, from)
    } else {
        (from, from + length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
