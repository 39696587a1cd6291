//! The user's next steps after an import, file by file: which entries of which client's configuration start mcpipe from
//! now on.
//!
//! Of an entry the text repeats only the address: values of flags may be secrets, and a flag that a file holds is no
//! advice of mcpipe's.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::cli::DEFAULT_ACCOUNT;
use crate::commands::import::sources::{Candidate, ConfigEntry};
use crate::mcp_remote::clients::Language;
use crate::text::printable;
use crate::text::without_query;

/// The entries whose sign-in mcpipe has now.
#[derive(Default)]
pub(super) struct NextSteps {
    /// The file, its client, and the new text of each entry.
    files: Vec<(PathBuf, String, Vec<String>)>,
    /// Command lines of servers that no file names.
    typed: Vec<String>,
}

impl NextSteps {
    /// Adds the command line that starts this server, which is kept under this account.
    pub(super) fn add(&mut self, candidate: &Candidate, account: &str) {
        let mut words = vec![printable(&without_query(&candidate.asked.url), 300)];
        if account != DEFAULT_ACCOUNT {
            words.extend(["--account".to_owned(), account.to_owned()]);
        }
        if candidate.entries.is_empty() {
            self.typed.push(format!("mcpipe {}", words.join(" ")));
        }
        for said in &candidate.entries {
            let line = format!("{}: {}", printable(&said.name, 100), entry(said, &words));
            match self.files.iter_mut().find(|(path, ..)| *path == said.path) {
                Some((.., lines)) => lines.push(line),
                None => {
                    let file = (said.path.clone(), said.client.clone(), vec![line]);
                    self.files.push(file);
                }
            }
        }
    }

    /// Returns the text for the user; empty if nothing is left to do.
    pub(super) fn text(&self, leftovers: &[PathBuf]) -> String {
        let mut text = String::new();
        if !self.files.is_empty() {
            text.push_str(
                "\nWhat to do next, file by file: put mcpipe in the place of mcp-remote, then restart the client. The flags that stand \
                 after the address stay.\n",
            );
        }
        for (path, client, lines) in &self.files {
            let _ = writeln!(text, "  {} ({})", at(path), printable(client, 100));
            for line in lines {
                let _ = writeln!(text, "    {line}");
            }
        }
        if !self.typed.is_empty() {
            text.push_str("\nWhat to do next: start this where mcp-remote was started, with the same flags.\n");
        }
        for line in &self.typed {
            let _ = writeln!(text, "  {line}");
        }
        if !leftovers.is_empty() {
            text.push_str("\nThese hold secrets that anybody can read who can read your files; delete them when all works:\n");
        }
        for path in leftovers {
            let _ = writeln!(text, "  {}", at(path));
        }
        text
    }
}

fn at(path: &Path) -> String {
    printable(&path.to_string_lossy(), 500)
}

/// Returns the command and its words in the language of the file.
fn entry(said: &ConfigEntry, words: &[String]) -> String {
    let words = json!(words).to_string().replace("\",\"", "\", \"");
    match said.language {
        Language::Json => format!(r#""command": "mcpipe", "args": {words}"#),
        Language::Toml => format!(r#"command = "mcpipe", args = {words}"#),
        Language::Yaml => format!("command: mcpipe, args: {words}"),
    }
}
