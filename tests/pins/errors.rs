//! The errors of all commands one below the other, as one text in `fixtures/pins/errors.txt`: they read as one hand.

use std::fmt::Write as _;
use std::fs;

use super::is_pinned;
use crate::support::host::Process;
use crate::support::remote::{Reply, Server};

/// What is typed. `URL` is a server that wants a sign-in, `GONE` an address where nothing listens, `DIR` an empty folder.
const TYPED: [&str; 46] = [
    // Usage.
    "doctr URL",
    "nonsense",
    "URL login",
    "URL 4000 more",
    "--protokol legacy URL",
    "--nonsense URL",
    "--protocol moden URL",
    "--grace soon URL",
    "--grace",
    "--read-only=yes URL",
    "--verbose --silent URL",
    "login",
    "login URL --acount work",
    "logout",
    "logout URL --all",
    "vault inti",
    "vault slot ad",
    "audit verfy x",
    "config chek",
    "help sgin-in",
    "help nonsense",
    "completions bsh",
    "import mcp-remot",
    "import mcp-remote --from DIR/none",
    // Settings.
    "ftp://a.example",
    "http://a.example/mcp",
    "--header nonsense URL",
    "--header-file DIR/none URL",
    "--bearer example URL",
    "--ca DIR/none.pem URL",
    "--client-cert DIR/none.pem URL",
    "--rate-limit 5 URL",
    "--audit DIR URL",
    "--log-file DIR URL",
    "--record DIR URL",
    "--passphrase-file DIR/none token URL",
    "token URL --passphrase-file DIR/none",
    // Network.
    "login GONE",
    "token GONE",
    // Sign-in.
    "token URL",
    "login URL --vault none",
    "status URL/other",
    // The vault and files.
    "vault verify",
    "vault import DIR/none",
    "audit verify DIR/none",
    "pins URL approve x",
];

#[cfg(target_os = "linux")] // the words of other systems differ
#[tokio::test]
async fn the_errors_of_all_commands_read_as_one_hand() {
    let server = Server::that(|_| Reply::status(403)).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    let names = [
        ("URL", server.url()),
        ("GONE", "http://127.0.0.1:9/mcp".to_owned()),
        ("DIR", path.to_owned()),
    ];
    let mut text = String::new();
    for typed in TYPED {
        let words: Vec<String> = typed
            .split(' ')
            .map(|word| {
                let begins = names.iter().find(|(name, _)| word.starts_with(name));
                begins.map_or(word.to_owned(), |(name, value)| {
                    word.replacen(name, value, 1)
                })
            })
            .collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let left = Process::start_with(&words, &[("MCPIPE_PROTOCOL", "")])
            .closed()
            .await;
        let mut said = left.stderr.clone();
        for (name, value) in names.iter().rev() {
            said = said.replace(value, name);
        }
        said = said.replace(&server.origin(), "ORIGIN");
        let _ = writeln!(
            text,
            "$ mcpipe {typed}\n{said}exit {}\n",
            left.status.code().unwrap()
        );
        one_form(typed, &said);
    }
    is_pinned("errors.txt", &text);
    let _ = fs::remove_dir_all(path);
}

/// `error:`, causes behind two blanks, one `hint:` at the end; no capital at the beginning and no full stop at the end.
fn one_form(typed: &str, said: &str) {
    let lines: Vec<&str> = said.lines().collect();
    let errors = lines.iter().filter(|line| line.starts_with("error: "));
    assert_eq!(errors.count(), 1, "{typed}: {said}");
    for line in &lines {
        let Some((kind, words)) = line.split_once(": ") else {
            continue;
        };
        if ["error", "hint"].contains(&kind) {
            let first = words.chars().next().unwrap();
            let second = words.chars().nth(1).unwrap();
            assert!(
                !first.is_uppercase() || !second.is_lowercase(),
                "{typed}: {line}"
            );
            assert!(!words.ends_with('.'), "{typed}: {line}");
        }
    }
    let last = lines.last().copied().unwrap_or_default();
    assert!(last.starts_with("hint: "), "{typed}: no hint\n{said}");
}
