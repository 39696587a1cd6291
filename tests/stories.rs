//! Nine users' stories: what each types, and all that each then reads, kept as text beside this file.
//!
//! `stories/NAME.story` is played by the real binary from its first line to its last. What is seen is compared with what
//! the file says, word for word, with one name in the place of what differs from run to run: ports, folders, times,
//! versions. After a change of words on purpose:
//!
//! ```sh
//! STORIES=write cargo test --test main stories::   # and read the difference as the user would
//! ```
//!
//! The lines of a story:
//!
//! | Line | What happens |
//! | --- | --- |
//! | `$ COMMAND` | the user types it into a shell in a terminal |
//! | `> WORDS => TEXT` | where the terminal shows these words, the user types that (`^C` and `^D` are keys) |
//! | `% COMMAND` | a shell runs it without a terminal, as cron does |
//! | `! COMMAND` | a shell without a terminal on a desktop, where a browser can be shown |
//! | `host COMMAND` | an MCP host starts it |
//! | `send METHOD [TEXT]` | the host asks that (`notifications/…`: tells it) |
//! | `receive` | the host waits for the answer to what it asked last |
//! | `stderr WORDS` | what the host has found on standard error since the last time, up to these words |
//! | `leave` | the host closes standard input |
//! | `browser` | the user signs in at the page that was opened, and reads where that ends |
//! | `world THING` | something changes at the server |
//! | four spaces | what is seen; everything else is told to the reader |
#![cfg(target_os = "linux")]

mod stage; // the server, the home, and the lines of a story
mod terminal; // a shell in a terminal

use std::fmt::Write as _;
use std::path::PathBuf;

use stage::Stage;

/// Plays a story, and compares or writes what is seen.
#[allow(
    clippy::disallowed_methods,
    reason = "the developer's word, which is no setting of mcpipe's"
)]
async fn play(name: &str) {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/stories"));
    let path = folder.join(format!("{name}.story"));
    let told = std::fs::read_to_string(&path).unwrap();
    let mut stage = Stage::new().await;
    let mut seen = String::new();
    let lines: Vec<&str> = told.lines().filter(|it| !it.starts_with(SEEN)).collect();
    let mut lines = lines.into_iter().peekable();
    while let Some(line) = lines.next() {
        let _ = writeln!(seen, "{line}");
        let mut keys = Vec::new();
        while let Some(key) = lines.peek().and_then(|it| it.strip_prefix("> ")) {
            let (words, text) = key.split_once("=>").expect("> WORDS => TEXT");
            keys.push((words.trim().to_owned(), text.trim().to_owned()));
            let _ = writeln!(seen, "> {key}");
            lines.next();
        }
        for line in stage.does(line, &keys).await {
            let _ = writeln!(seen, "{SEEN}{line}");
        }
    }
    stage.ends().await;
    if std::env::var_os("STORIES").is_some_and(|it| it == "write") {
        std::fs::write(&path, seen).unwrap();
        return;
    }
    let differs = told.lines().zip(seen.lines()).find(|(a, b)| a != b);
    assert!(
        told == seen,
        "{name}.story reads otherwise now, first at\n  told: {}\n  seen: {}\n\n{seen}",
        differs.map_or("(its end)", |it| it.0),
        differs.map_or("(its end)", |it| it.1),
    );
}

/// What stands before a line that is seen.
const SEEN: &str = "    ";

macro_rules! stories {
    ($($test:ident: $name:literal,)*) => {$(
        #[tokio::test]
        async fn $test() {
            play($name).await;
        }
    )*};
}

stories! {
    cursor_with_a_protected_server: "cursor",
    coming_from_mcp_remote: "mcp-remote",
    a_passphrase_and_the_agent: "passphrase",
    api_keys: "api-keys",
    over_ssh: "ssh",
    cron: "cron",
    support_with_a_recording: "support",
    two_accounts: "two-accounts",
    a_shell: "shell",
}

#[test]
fn every_story_is_played() {
    let here = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/stories")).unwrap();
    let stories = here.filter(|it| {
        let path = it.as_ref().unwrap().path();
        path.extension().is_some_and(|it| it == "story")
    });
    assert_eq!(stories.count(), 9);
}
