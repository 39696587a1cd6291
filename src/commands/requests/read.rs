//! `mcpipe read`: a resource, as text or into a file.

use std::fs::OpenOptions;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::Path;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;
use serde_json::json;

use crate::cli::ReadArgs;
use crate::commands::print;
use crate::commands::requests::simple::result_of;
use crate::logging::Output;
use crate::report::{Failure, Kind};
use crate::settings::Environment;
use crate::text::printable;

/// One part of a resource (MCP 2025-11-25, server/resources, "Resource Contents").
#[derive(Deserialize)]
struct Content {
    #[serde(default)]
    uri: String,
    #[serde(rename = "mimeType")]
    mime_type: Option<String>,
    text: Option<String>,
    blob: Option<String>,
}

#[derive(Deserialize)]
struct Contents {
    contents: Vec<Content>,
}

/// Reads the resource and prints it, or writes it into a file that does not exist yet.
///
/// # Errors
/// All that a session fails of, a result that is no resource, or a file that cannot be written.
pub(super) async fn run(args: ReadArgs, env: &Environment, stderr: &Output) -> Result<(), Failure> {
    let params = json!({ "uri": args.uri }).to_string();
    let request = |_| Ok(("resources/read", params));
    let answer = result_of(args.client, "{}", env, stderr, request).await?;
    if args.json {
        return print(&format!("{}\n", answer.result));
    }
    let read: Contents = serde_json::from_str(&answer.result).map_err(|error| {
        let what = format!("the server's answer is no resource: {error}");
        Failure::new(Kind::Protocol, what).hint("--json prints the answer as it came")
    })?;
    let Some(path) = args.output else {
        let is_terminal = io::stdout().is_terminal();
        let shown = read.contents.iter().map(|it| shown(it, is_terminal));
        return print(&shown.collect::<String>());
    };
    let [content] = read.contents.as_slice() else {
        let number = read.contents.len();
        let what = format!("the resource has {number} parts, and --output writes one file");
        return Err(Failure::new(Kind::Failed, what).hint("leave --output out, or use --json"));
    };
    write(&path, &bytes(content)?)
}

/// Returns a part for the user: text as it is, anything else as a line about it. On a terminal control characters are escaped.
fn shown(content: &Content, is_terminal: bool) -> String {
    match (&content.text, &content.blob) {
        (Some(text), _) => {
            let mut text = match is_terminal {
                true => without_controls(text),
                false => text.clone(),
            };
            if !text.ends_with('\n') {
                text.push('\n');
            }
            text
        }
        (None, blob) => {
            let size = blob
                .as_ref()
                .and_then(|blob| BASE64_STANDARD.decode(blob).ok());
            let size = size.map_or_else(
                || "not base64".to_owned(),
                |bytes| format!("{} bytes", bytes.len()),
            );
            let kind = content.mime_type.as_deref().unwrap_or("no media type");
            format!(
                "[{}: {}, {size}; --output FILE writes it]\n",
                printable(&content.uri, 200),
                printable(kind, 100)
            )
        }
    }
}

/// Returns a text with its control characters escaped, but for line breaks and tabs: a terminal obeys them.
fn without_controls(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\t' => out.push(c),
            c if c.is_control() => out.extend(c.escape_unicode()),
            c => out.push(c),
        }
    }
    out
}

fn bytes(content: &Content) -> Result<Vec<u8>, Failure> {
    match (&content.text, &content.blob) {
        (Some(text), _) => Ok(text.clone().into_bytes()),
        (None, Some(blob)) => BASE64_STANDARD.decode(blob).map_err(|error| {
            let what = format!("the resource's content is no base64: {error}");
            Failure::new(Kind::Protocol, what).hint("--json prints the answer as it came")
        }),
        (None, None) => Err(Failure::new(
            Kind::Protocol,
            "the resource has neither text nor a blob",
        )),
    }
}

/// Writes a new file. One that is there stays as it is.
fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let open = OpenOptions::new().write(true).create_new(true).open(path);
    open.and_then(|mut file| file.write_all(bytes))
        .map_err(|error| {
            let exists = error.kind() == io::ErrorKind::AlreadyExists;
            let failure = Failure::usage(format!("cannot write {}: {error}", path.display()));
            match exists {
                true => failure.hint("name a file that does not exist yet"),
                false => failure.hint("name a file in a directory that you can write to"),
            }
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(json: &str) -> Content {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn text_is_text_and_a_blob_is_a_line_about_it() {
        let text = content(r#"{"uri":"a:b","text":"hi\u001b[2J"}"#);
        assert_eq!(shown(&text, false), "hi\u{1b}[2J\n");
        assert_eq!(shown(&text, true), "hi\\u{1b}[2J\n");
        let blob = content(r#"{"uri":"a:b","mimeType":"image/png","blob":"AAEC"}"#);
        let line = "[a:b: image/png, 3 bytes; --output FILE writes it]\n";
        assert_eq!(shown(&blob, true), line);
        assert_eq!(bytes(&blob).unwrap(), [0, 1, 2]);
    }
}
