//! `mcpipe vault …` as a new user meets it: the real binary, an empty home, the README's words.
#![cfg(unix)]

use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use super::*;
use crate::support::host::{Process, json};
use crate::support::remote::{Reply, Server, ordinary};

/// The command line in a home of its own, with nothing else in its environment.
pub(super) struct Person {
    pub(super) home: Home,
    pub(super) variables: Vec<(&'static str, String)>,
}

pub(super) struct Said {
    pub(super) code: Option<i32>,
    pub(super) out: String,
    pub(super) err: String,
}

impl Person {
    pub(super) fn new() -> Self {
        let home = Home::new();
        std::fs::write(home.path().join("words"), format!("{WORDS}\n")).unwrap();
        Self {
            home,
            variables: Vec::new(),
        }
    }

    /// Who keeps the passphrase in a file, and says so once.
    pub(super) fn with_passphrase_file() -> Self {
        let mut person = Self::new();
        let words = person.file("words");
        person.variables.push(("MCPIPE_PASSPHRASE_FILE", words));
        person
    }

    fn file(&self, name: &str) -> String {
        self.home.path().join(name).to_str().unwrap().to_owned()
    }

    fn command(&self, line: &str) -> Command {
        let mut command = mcpipe::process::command(env!("CARGO_BIN_EXE_mcpipe"));
        command
            .args(line.split_whitespace())
            .env_clear()
            .env("MCPIPE_HOME", self.home.path())
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null());
        command
    }

    pub(super) fn says(&self, line: &str) -> Said {
        Said::of(self.command(line).output().unwrap())
    }

    pub(super) fn succeeds(&self, line: &str) -> String {
        let said = self.says(line);
        assert_eq!(said.code, Some(0), "{line}: {}{}", said.out, said.err);
        said.out
    }

    fn fails(&self, line: &str, code: i32) -> String {
        let said = self.says(line);
        assert_eq!(said.code, Some(code), "{line}: {}{}", said.out, said.err);
        assert!(said.err.contains("hint: "), "{line}: {}", said.err);
        said.err
    }

    /// With this on standard input.
    pub(super) fn types(&self, line: &str, input: &str) -> String {
        let mut child = self
            .command(line)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child
            .stdin
            .take()
            .unwrap()
            .write_all(input.as_bytes())
            .unwrap();
        let said = Said::of(child.wait_with_output().unwrap());
        assert_eq!(said.code, Some(0), "{line}: {}{}", said.out, said.err);
        said.out
    }

    fn status(&self) -> Value {
        json(&self.succeeds("vault status --json"))
    }

    /// The bridge to `url`, as this person's host starts it.
    pub(super) fn bridge(&self, arguments: &[&str]) -> Process {
        let home = self.file("");
        let mut variables = vec![("MCPIPE_HOME", home.as_str())];
        variables.extend(
            self.variables
                .iter()
                .map(|(name, value)| (*name, value.as_str())),
        );
        Process::start_with(arguments, &variables)
    }
}

impl Said {
    fn of(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self {
            code: output.status.code(),
            out: text(output.stdout),
            err: text(output.stderr),
        }
    }
}

/// A server that wants this key.
pub(super) async fn server_with(key: &'static str) -> Server {
    Server::that(move |ask| match ask.header("authorization") {
        Some(shown) if shown == format!("Bearer {key}") => ordinary(ask),
        _ => Reply::status(403),
    })
    .await
}

/// A session opens and a request is answered with what the server gives to those who show the key.
pub(super) async fn works(host: &mut Process) {
    host.send(crate::support::host::INITIALIZE).await;
    let opened = host.next().await;
    assert!(opened.contains("protocolVersion"), "{opened}");
}

#[tokio::test]
async fn a_new_user_with_a_key_file_only() {
    let person = Person::new();
    assert_eq!(person.status()["exists"], false);
    person.fails("vault verify", 1);
    let server = server_with("s3cret").await;
    let kept = person.types(
        &format!("vault put example --for {}", server.url()),
        "s3cret\n",
    );
    assert!(kept.contains(&server.origin()), "{kept}");

    let status = person.status();
    assert_eq!(status["protection"], "file permissions");
    assert_eq!(status["slots"][0]["label"], "keyfile");
    assert!(status["argon2id"]["milliseconds"].as_u64().unwrap() > 0);
    let text = person.succeeds("vault status");
    assert!(
        text.contains("Argon2id") || text.contains("argon2id"),
        "{text}"
    );
    assert!(!text.contains("secure"));

    let mut host = person.bridge(&[&server.url(), "--bearer", "example"]);
    works(&mut host).await;
    host.closed().await;
    let list = json(&person.succeeds("vault list --json"));
    assert_eq!(list[0]["name"], "example");
    assert!(list[0]["used_at"].is_u64(), "{list}");
    person.succeeds("vault rm example");
    person.fails("vault rm example ", 1);
}

#[tokio::test]
async fn a_new_user_with_a_passphrase_only() {
    let person = Person::with_passphrase_file();
    person.succeeds("vault init --kdf low");
    assert_eq!(person.status()["protection"], "passphrase");
    assert!(!person.home.key().exists());
    let server = server_with("s3cret").await;
    person.types(
        &format!("vault put example --for {}", server.url()),
        "s3cret",
    );
    let header = "Authorization: Bearer ${vault:example}";
    let mut host = person.bridge(&[&server.url(), "--header", header]);
    works(&mut host).await;

    // Without the passphrase: the host is received, the user hears what to do, and nothing is sent.
    let before = server.all().len();
    let stranger = Person {
        variables: Vec::new(),
        ..person
    };
    let mut host = stranger.bridge(&[&server.url(), "--header", header]);
    host.send(crate::support::host::INITIALIZE).await;
    let answer = host.next_json().await;
    assert!(answer["result"].is_object(), "{answer}");
    host.has_said("`mcpipe vault unlock`").await;
    assert_eq!(server.all().len(), before);
    stranger.fails("vault passwd --new-passphrase-command false", 1);
}

#[tokio::test]
async fn a_new_user_with_an_agent() {
    let person = Person::with_passphrase_file();
    person.succeeds("vault init --kdf low");
    let server = server_with("s3cret").await;
    person.types(
        &format!("vault put example --for {}", server.url()),
        "s3cret",
    );
    let said = person.succeeds("vault unlock --for 30m");
    assert!(said.contains("30 min"), "{said}");

    let host = Person {
        variables: Vec::new(),
        ..person
    };
    let left = host.status()["agent"]["seconds_left"].as_u64().unwrap();
    assert!((1700..=1800).contains(&left), "{left}");
    assert_eq!(json(&host.succeeds("vault verify --json"))["entries"], 1);
    let mut bridge = host.bridge(&[&server.url(), "--bearer", "example"]);
    works(&mut bridge).await;
    // Again, for longer: the same agent.
    host.succeeds("vault unlock --for 2h");
    assert!(host.status()["agent"]["seconds_left"].as_u64().unwrap() > 7000);

    host.succeeds("vault lock");
    assert!(host.status()["agent"].is_null());
    assert!(!host.home.path().join("state/agent.sock").exists());
    let locked = host.fails("vault verify", 1);
    assert!(locked.contains("mcpipe vault unlock"), "{locked}");
    assert!(host.succeeds("vault lock").contains("No agent"));
}

#[test]
fn from_the_key_file_to_a_passphrase_to_another_to_a_program() {
    let person = Person::new();
    person.succeeds("vault init --key-file");
    person.types("vault put example --for https://a.example", "s3cret");
    person.fails("vault init", 1);
    let words = person.file("words");
    person.succeeds(&format!(
        "vault protect --kdf low --new-passphrase-file {words}"
    ));
    assert_eq!(person.status()["protection"], "passphrase");
    assert!(!person.home.key().exists());
    person.fails("vault list", 1);

    std::fs::write(person.file("other"), "other words").unwrap();
    let other = person.file("other");
    person.succeeds(&format!(
        "vault passwd --kdf low --passphrase-file {words} --new-passphrase-file {other}"
    ));
    person.fails(&format!("vault list --passphrase-file {words}"), 1);
    let person = Person {
        variables: vec![("MCPIPE_PASSPHRASE_FILE", other)],
        ..person
    };
    assert!(person.succeeds("vault list").contains("example"));
    person.succeeds("vault rekey");

    // A program that is named in the environment is not asked; one in the user's own file is.
    let kept = person.file("kept");
    let mut strange = person.command("vault slot add command");
    let strange = strange
        .env("MCPIPE_KEY_COMMAND", format!("cat {kept}"))
        .output();
    assert_eq!(strange.unwrap().status.code(), Some(1));
    let config = format!(
        "[vault]\nkey_command = ['cat', '{kept}']\nkey_store_command = ['tee', '{kept}']\n"
    );
    std::fs::write(person.file("mcpipe.toml"), config).unwrap();
    person.succeeds("vault slot add command");
    person.succeeds("vault slot remove passphrase");
    person.fails("vault slot remove command", 1);
    let person = Person {
        variables: Vec::new(),
        ..person
    };
    assert_eq!(person.status()["protection"], "tied to your login");
    assert!(person.succeeds("vault list").contains("a.example"));
    person.succeeds("vault slot rotate command");
    assert!(person.succeeds("vault list").contains("a.example"));
    assert!(person.succeeds("vault verify").contains("1 entry"));
}

#[test]
fn what_was_exported_here_is_imported_there() {
    let (here, there) = (Person::new(), Person::new());
    here.types("vault put example --for https://a.example", "s3cret");
    let (file, words) = (here.file("export"), here.file("words"));
    here.succeeds(&format!(
        "vault export {file} --export-passphrase-file {words}"
    ));
    assert_eq!(std::fs::metadata(&file).unwrap().mode() & 0o777, 0o600);
    here.fails(
        &format!("vault export {file} --export-passphrase-file {words}"),
        1,
    );
    here.fails(&format!("vault export {file}.2"), 2);
    let import = format!("vault import {file} --export-passphrase-file {words}");
    assert!(there.succeeds(&import).contains("1 entry"));
    assert!(there.succeeds(&import).contains("stayed"));
    assert!(there.succeeds("vault list").contains("a.example"));
}

#[test]
fn nought_does_not_forgive_loose_permissions() {
    let mut person = Person::new();
    person.succeeds("vault init --key-file");
    let loose = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(person.home.file(), loose).unwrap();
    for (value, code) in [("0", 1), ("false", 1), ("1", 0)] {
        person.variables = vec![("MCPIPE_ALLOW_LOOSE_PERMISSIONS", value.into())];
        let said = person.says("vault verify");
        assert_eq!(said.code, Some(code), "{value}");
        assert_eq!(
            said.err.contains("chmod 600"),
            code == 1,
            "{value}: {}",
            said.err
        );
    }
}

/// Runs as a user other than root, for whom modes count: root becomes the user `nobody`.
fn as_nobody(person: &Person, command: &mut Command) {
    if rustix::process::geteuid().is_root() {
        const NOBODY: u32 = 65534;
        for path in [
            person.home.path().to_owned(),
            person.home.path().join("state"),
        ]
        .into_iter()
        .chain([
            person.home.file(),
            person.home.key(),
            person.home.path().join("vault.lock"),
        ]) {
            std::os::unix::fs::chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
        }
        command.uid(NOBODY).gid(NOBODY);
    }
}

#[test]
fn a_directory_that_cannot_be_written_to_says_so_and_loses_nothing() {
    let person = Person::new();
    person.types("vault put example --for https://a.example", "s3cret");
    let before = std::fs::read(person.home.file()).unwrap();
    // A folder that every user may enter.
    let program = person.home.path().join("mcpipe");
    let ours = env!("CARGO_BIN_EXE_mcpipe");
    std::fs::hard_link(ours, &program)
        .or_else(|_| std::fs::copy(ours, &program).map(|_| ()))
        .unwrap();
    let set_mode = |mode| {
        let mode = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(person.home.path(), mode).unwrap();
    };
    set_mode(0o555);
    let run = |line: &str| {
        let mut command = mcpipe::process::command(&program);
        command
            .args(line.split(' '))
            .env_clear()
            .env("MCPIPE_HOME", person.home.path());
        as_nobody(&person, &mut command);
        Said::of(command.stdin(Stdio::null()).output().unwrap())
    };
    let reading = run("vault list");
    let writing = run("vault rm example");
    set_mode(0o755);
    assert_eq!(reading.code, Some(0), "{}", reading.err);
    assert!(reading.out.contains("a.example"));
    assert_eq!(writing.code, Some(1));
    assert!(
        writing.err.contains(person.home.path().to_str().unwrap()),
        "{}",
        writing.err
    );
    assert!(writing.err.contains("denied"), "{}", writing.err);
    assert_eq!(std::fs::read(person.home.file()).unwrap(), before);
}

#[test]
fn somebody_elses_vault_is_refused_by_name() {
    let person = Person::new();
    person.succeeds("vault init --key-file");
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(person.home.file(), Some(65534), None).unwrap();
        let refused = person.fails("vault verify", 1);
        assert!(
            refused.contains("another user") && refused.contains("chown"),
            "{refused}"
        );
    } else {
        let theirs = mcpipe::store::files::Private::open(Path::new("/etc/passwd"), false);
        assert!(matches!(theirs, Err(mcpipe::store::files::Error::Owner(_))));
    }
}

#[cfg(target_os = "linux")]
#[test]
fn the_agents_key_is_in_no_argument_and_no_environment() {
    let person = Person::with_passphrase_file();
    person.succeeds("vault init --kdf low");
    person.succeeds("vault unlock --for 5m");
    let mut agents = 0;
    for process in std::fs::read_dir("/proc").unwrap().flatten() {
        let Ok(arguments) = std::fs::read(process.path().join("cmdline")) else {
            continue;
        };
        let arguments = String::from_utf8_lossy(&arguments).replace('\0', " ");
        let program = std::fs::read_link(process.path().join("exe"));
        if !program.is_ok_and(|program| program == Path::new(env!("CARGO_BIN_EXE_mcpipe"))) {
            continue;
        }
        if arguments.ends_with("vault agent ") {
            let environment = std::fs::read(process.path().join("environ"));
            assert!(environment.unwrap_or_default().is_empty());
            agents += 1;
        }
        assert!(!arguments.contains(WORDS));
    }
    assert!(agents >= 1);
    person.succeeds("vault lock");
}
