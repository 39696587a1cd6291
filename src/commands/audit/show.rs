//! `mcpipe audit show`: the lines of audit files that a user asks for, as text or as they are. Checks no chain.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Seek as _};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::audit::chain::{ChainId, Line};
use crate::cli::AuditShowArgs;
use crate::commands::print;
use crate::policy::Pattern;
use crate::report::{Failure, Kind};
use crate::text::is_mark;

/// The members of a line that are shown, or asked for.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Shown {
    time: String,
    event: String,
    server: Option<String>,
    host: Option<String>,
    pid: Option<u64>,
    correlation_id: Option<String>,
    method: Option<String>,
    tool: Option<String>,
    prompt: Option<String>,
    uri: Option<String>,
    outcome: Option<String>,
    kind: Option<String>,
    code: Option<i64>,
    duration_ms: Option<u64>,
    bytes_out: Option<u64>,
    bytes_in: Option<u64>,
    rule: Option<String>,
    origin: Option<String>,
    message: Option<String>,
    reason: Option<String>,
    lost: Option<u64>,
    hidden: Option<u64>,
}

pub(super) fn run(args: &AuditShowArgs) -> Result<(), Failure> {
    let mut files = Vec::new();
    for path in &args.files {
        let extension = path.extension().and_then(|extension| extension.to_str());
        if matches!(extension, Some("head" | "lock")) {
            continue;
        }
        files.push(Opened::new(path)?);
    }
    // A chain's files one after another, whatever order a shell gives them.
    files.sort_by_key(|file| file.place);
    let mut out = String::new();
    for file in files {
        let unread = file.lines(|line| {
            let Ok(shown) = serde_json::from_str::<Shown>(line.text) else {
                return Ok(());
            };
            if !is_asked_for(args, &shown) {
                return Ok(());
            }
            match args.json {
                true => out.push_str(line.text),
                false => as_text(&shown, &mut out),
            }
            out.push('\n');
            match out.len() > 64 * 1024 {
                true => print(&std::mem::take(&mut out)),
                false => Ok(()),
            }
        })?;
        if unread.count > 0 {
            let Unread { path, count } = unread;
            tracing::warn!(
                "{count} lines of {} are not as mcpipe wrote them; `mcpipe audit verify` says more",
                path.display()
            );
        }
    }
    print(&out)
}

struct Opened {
    path: PathBuf,
    file: BufReader<File>,
    /// The chain and the number of the first line.
    place: Option<(ChainId, u64)>,
}

/// The lines of a file that cannot be read.
struct Unread {
    path: PathBuf,
    count: u64,
}

impl Opened {
    fn new(path: &Path) -> Result<Self, Failure> {
        let failed = |error| failure(path, &error);
        let mut file = BufReader::new(File::open(path).map_err(failed)?);
        let mut first = Vec::new();
        file.read_until(b'\n', &mut first).map_err(failed)?;
        file.rewind().map_err(failed)?;
        let first = Line::parse(first.trim_ascii_end());
        Ok(Self {
            path: path.into(),
            file,
            place: first.ok().map(|line| (line.chain, line.seq)),
        })
    }

    fn lines(
        mut self,
        mut take: impl FnMut(&Line<'_>) -> Result<(), Failure>,
    ) -> Result<Unread, Failure> {
        let (mut text, mut count) = (Vec::new(), 0);
        loop {
            text.clear();
            let read = self.file.read_until(b'\n', &mut text);
            if read.map_err(|error| failure(&self.path, &error))? == 0 {
                let path = self.path;
                return Ok(Unread { path, count });
            }
            text.pop_if(|last| *last == b'\n');
            match Line::parse(&text) {
                Ok(line) => take(&line)?,
                Err(_) => count += 1,
            }
        }
    }
}

fn failure(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(
        Kind::Usage,
        format!("cannot read {}: {error}", path.display()),
    )
}

fn is_asked_for(args: &AuditShowArgs, line: &Shown) -> bool {
    let fits = |pattern: &Option<Pattern>, text: &Option<String>| {
        pattern
            .as_ref()
            .is_none_or(|pattern| text.as_ref().is_some_and(|text| pattern.matches(text)))
    };
    let is = |asked: &Option<String>, text: Option<&str>| {
        asked.as_ref().is_none_or(|asked| text == Some(asked))
    };
    let names = [&line.tool, &line.prompt, &line.uri];
    let begins = |length: usize| line.time.get(..length).unwrap_or(&line.time);
    let since = args.since.as_deref();
    let until = args.until.as_deref();
    names.iter().any(|name| fits(&args.tool, name))
        && fits(&args.method, &line.method)
        && fits(&args.server, &line.server)
        && is(&args.event, Some(&line.event))
        && is(&args.outcome, line.outcome.as_deref())
        && is(&args.id, line.correlation_id.as_deref())
        && since.is_none_or(|since| begins(since.len()) >= since)
        && until.is_none_or(|until| begins(until.len()) <= until)
        && (!args.refused || matches!(line.event.as_str(), "refused" | "would_refuse"))
}

/// Writes a line as columns: the time, the event, the correlation id, and the rest in words.
fn as_text(line: &Shown, out: &mut String) {
    let time = line.time.replace('T', " ");
    let time = time.trim_end_matches('Z');
    let id = line.correlation_id.as_deref().unwrap_or("-");
    // Writing to a string does not fail.
    let _ = write!(
        out,
        "{:23}  {:12}  {:20}",
        escaped(time),
        escaped(&line.event),
        escaped(id)
    );
    let mut words = Vec::new();
    let name = line.tool.as_ref().or(line.prompt.as_ref());
    words.extend(line.method.as_deref().map(escaped));
    words.extend(name.or(line.uri.as_ref()).map(|name| escaped(name)));
    match (&line.outcome, line.code, &line.kind) {
        (Some(outcome), None, None) => words.push(escaped(outcome)),
        (outcome, code, kind) => {
            words.extend(outcome.as_deref().map(escaped));
            words.extend(code.map(|code| code.to_string()));
            words.extend(kind.as_deref().map(escaped));
        }
    }
    words.extend(line.duration_ms.map(|time| format!("in {time} ms")));
    words.extend(line.bytes_out.map(|bytes| format!("{bytes} B out")));
    words.extend(line.bytes_in.map(|bytes| format!("{bytes} B in")));
    words.extend(line.hidden.map(|hidden| format!("{hidden} hidden")));
    words.extend(line.lost.map(|lost| format!("{lost} lines lost")));
    if let (Some(rule), Some(origin)) = (&line.rule, &line.origin) {
        words.push(format!("by {} ({})", escaped(rule), escaped(origin)));
    }
    words.extend(line.message.as_deref().map(escaped));
    words.extend(line.reason.as_deref().map(escaped));
    if line.method.is_none() {
        words.extend(line.server.as_deref().map(escaped));
        words.extend(line.pid.map(|pid| format!("process {pid}")));
        words.extend(line.host.as_deref().map(escaped));
    }
    let _ = write!(out, "  {}", words.join(" "));
    out.truncate(out.trim_end().len());
}

/// Returns a text in which no character moves a terminal or hides.
fn escaped(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c.is_control() || is_mark(c) {
            true => {
                let _ = write!(shown, "\\u{{{:x}}}", u32::from(c));
            }
            false => shown.push(c),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_told_in_columns_and_moves_no_terminal() {
        let line = r#"{"time":"2026-11-30T15:04:05.678Z","event":"result","correlationId":"ab-1","method":"tools/call","tool":"a\u001b[2J\u202eb","outcome":"error","code":-32000,"durationMs":12,"bytesOut":3,"bytesIn":4}"#;
        let mut out = String::new();
        as_text(&serde_json::from_str(line).unwrap(), &mut out);
        assert_eq!(
            out,
            "2026-11-30 15:04:05.678  result        ab-1                  tools/call a\\u{1b}[2J\\u{202e}b error -32000 in 12 ms 3 B out 4 B in"
        );
    }
}
