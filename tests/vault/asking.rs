//! What a user at a terminal is asked, and what not: the real binary on a terminal of its own.
#![cfg(unix)]

use std::fs::File;
use std::io::Write as _;
use std::process::{Child, Stdio};

use rustix::process::Signal;
use rustix::termios::{LocalModes, tcgetattr};
use tokio::time::Instant;

use super::commands::Person;
use super::*;
use crate::support::host::TOO_LONG;
use crate::support::pty::{self, Screen};

/// A command whose controlling terminal the test holds the other end of.
pub(super) struct Typing {
    child: Child,
    keyboard: File,
    terminal: File,
    screen: Screen,
}

/// What the command reads that is not asked of its terminal.
#[derive(Clone, Copy, PartialEq)]
enum Stdin {
    Terminal,
    Empty,
}

impl Typing {
    pub(super) fn start(person: &Person, line: &str) -> Self {
        Self::start_with(person, line, Stdin::Terminal)
    }

    fn start_with(person: &Person, line: &str, stdin: Stdin) -> Self {
        let (keyboard, terminal) = pty::open();
        let end = || Stdio::from(terminal.try_clone().unwrap());
        // `setsid --ctty` takes the terminal on its stdin; the command's own is changed after that.
        let mut command = mcpipe::process::command("setsid");
        command.arg("--ctty");
        if stdin == Stdin::Empty {
            command.args(["sh", "-c", "exec \"$@\" 0</dev/null", "sh"]);
        }
        command
            .arg(env!("CARGO_BIN_EXE_mcpipe"))
            .args(line.split_whitespace())
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("MCPIPE_HOME", person.home.path())
            .stdin(end())
            .stdout(end())
            .stderr(end());
        let child = command.spawn().unwrap();
        let (screen, _) = pty::watch(&keyboard);
        Self {
            child,
            keyboard,
            terminal,
            screen,
        }
    }

    fn screen(&self) -> String {
        self.screen.lock().unwrap().clone()
    }

    /// Waits until this stands on the screen so many times.
    pub(super) fn shows(&self, times: usize, wanted: &str) {
        let begun = Instant::now();
        while self.screen().matches(wanted).count() < times {
            assert!(begun.elapsed() < TOO_LONG, "{wanted}: {}", self.screen());
            std::thread::sleep(Duration::from_millis(10));
        }
        // The question is written before what is typed is hidden.
        std::thread::sleep(Duration::from_millis(50));
    }

    pub(super) fn types(&mut self, line: &str) {
        self.keyboard.write_all(line.as_bytes()).unwrap();
    }

    fn echoes(&self) -> bool {
        let modes = tcgetattr(&self.terminal).unwrap();
        modes
            .local_modes
            .contains(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG)
    }

    /// The exit code, and all that stood on the screen.
    pub(super) fn exit(mut self) -> (Option<i32>, String) {
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            if begun.elapsed() > TOO_LONG {
                let _ = self.child.kill();
                panic!("it waits: {}", self.screen());
            }
            std::thread::sleep(Duration::from_millis(10));
        };
        std::thread::sleep(Duration::from_millis(50));
        (status.code(), self.screen())
    }
}

/// Who has a vault that this passphrase opens, and nothing in the environment.
fn with_passphrase() -> Person {
    let person = Person::new();
    let words = person.home.path().join("words");
    person.succeeds(&format!(
        "vault init --kdf low --passphrase-file {}",
        words.display()
    ));
    person
}

const KEY_FILE: &str = "opens by a key file";

#[test]
fn a_vault_that_is_made_in_passing_has_a_key_file_and_says_so_in_one_sentence() {
    let person = Person::new();
    let mut typing = Typing::start(&person, "vault put example --for https://a.example");
    typing.shows(1, "Secret example (not shown): ");
    typing.types("s3cret\n");
    let (code, screen) = typing.exit();
    assert_eq!(code, Some(0), "{screen}");
    assert!(!screen.contains("assphrase"), "{screen}");
    let said: Vec<_> = screen.lines().filter(|it| it.contains(KEY_FILE)).collect();
    assert_eq!(said.len(), 1, "{screen}");
    assert!(said[0].contains("mcpipe vault protect"), "{screen}");
    assert!(!screen.contains("WARN"), "{screen}");
    assert!(person.home.key().exists());

    // The second time nothing is made.
    let mut typing = Typing::start(&person, "vault put other --for https://a.example");
    typing.shows(1, "Secret other (not shown): ");
    typing.types("s3cret\n");
    let (code, screen) = typing.exit();
    assert_eq!(
        (code, screen.contains(KEY_FILE)),
        (Some(0), false),
        "{screen}"
    );

    let file = person.home.path().join("export");
    let (file, words) = (file.display(), person.home.path().join("words"));
    let words = words.display();
    person.succeeds(&format!(
        "vault export {file} --export-passphrase-file {words}"
    ));
    let there = Person::new();
    let mut typing = Typing::start(&there, &format!("vault import {file}"));
    typing.shows(1, &format!("Passphrase of {file}: "));
    typing.types(&format!("{WORDS}\n"));
    let (code, screen) = typing.exit();
    assert_eq!(code, Some(0), "{screen}");
    assert_eq!(screen.matches("assphrase").count(), 1, "{screen}");
    assert_eq!(screen.matches(KEY_FILE).count(), 1, "{screen}");
    assert!(there.home.key().exists());
}

#[test]
fn who_makes_a_vault_hears_what_a_passphrase_means_and_has_a_choice() {
    let person = Person::new();
    let mut typing = Typing::start(&person, "vault init --kdf low");
    typing.shows(1, "hosts need `mcpipe vault unlock` once a day");
    typing.shows(1, "a choice of a generated one and a key file): ");
    typing.types("\n");
    typing.shows(1, "a key file, with which hosts need nothing from you): ");
    let screen = typing.screen();
    let words = screen.lines().find(|it| it.starts_with("    ")).unwrap();
    let words = words.trim().to_owned();
    typing.types(&format!("{words}\n"));
    let (code, screen) = typing.exit();
    assert_eq!(code, Some(0), "{screen}");
    assert!(screen.contains("protection: passphrase"), "{screen}");
    assert!(!person.home.key().exists());

    let person = Person::new();
    let mut typing = Typing::start(&person, "vault init");
    typing.shows(1, "a key file): ");
    typing.types("\n");
    typing.shows(1, "need nothing from you): ");
    typing.types("\n");
    let (code, screen) = typing.exit();
    assert_eq!(code, Some(0), "{screen}");
    assert!(screen.contains("file permissions"), "{screen}");

    // The same at `protect`, where the vault may stay as it is.
    let mut typing = Typing::start(&person, "vault protect --kdf low");
    typing.shows(1, "hosts need `mcpipe vault unlock` once a day");
    typing.shows(1, "New passphrase (nothing: a choice): ");
    typing.types("\n");
    typing.shows(1, "the vault stays as it is): ");
    typing.types("\n");
    let (code, screen) = typing.exit();
    assert_eq!(code, Some(1), "{screen}");
    assert!(person.home.key().exists());
    let mut typing = Typing::start(&person, "vault protect --kdf low");
    typing.shows(1, "New passphrase (nothing: a choice): ");
    typing.types(&format!("{WORDS}\n"));
    typing.shows(1, "The same again: ");
    typing.types(&format!("{WORDS}\n"));
    assert_eq!(typing.exit().0, Some(0));
    assert!(!person.home.key().exists());
}

#[test]
fn what_cannot_be_done_is_said_before_anything_is_asked() {
    let locked = with_passphrase();
    let (nobody, plain) = (Person::new(), Person::new());
    plain.succeeds("vault init --key-file");
    let file = |person: &Person, name: &str| person.home.path().join(name).display().to_string();
    std::fs::write(
        file(&locked, "text"),
        "no vault, but longer than eight bytes",
    )
    .unwrap();
    let text = file(&locked, "text");
    let keyed = file(&plain, "vault.bin");
    for (person, line, words) in [
        (&locked, "vault init".to_owned(), "there is a vault at"),
        (
            &locked,
            "vault init --key-file".to_owned(),
            "there is a vault at",
        ),
        (
            &locked,
            format!("vault import {text}"),
            "is no file that `mcpipe vault export` made",
        ),
        (
            &locked,
            format!("vault import {text}.none"),
            "there is no file",
        ),
        (
            &locked,
            format!("vault import {keyed}"),
            "no passphrase opens the vault",
        ),
        (&nobody, "vault passwd".to_owned(), "there is no vault at"),
        (
            &plain,
            "vault passwd".to_owned(),
            "no passphrase opens this vault",
        ),
        (
            &locked,
            "vault passwd --slot other".to_owned(),
            "no single slot is called \"other\"",
        ),
        (&nobody, "vault protect".to_owned(), "there is no vault at"),
        (
            &plain,
            "vault protect --with key-file".to_owned(),
            "a key file opens this vault already",
        ),
        (
            &locked,
            "vault protect --with key-file".to_owned(),
            "a key file is what `protect` replaces",
        ),
        (
            &locked,
            "vault protect".to_owned(),
            "there is a slot \"passphrase\" already",
        ),
        (
            &locked,
            "vault slot add passphrase".to_owned(),
            "there is a slot \"passphrase\" already",
        ),
        (
            &plain,
            "vault slot add key-file".to_owned(),
            "there is a slot \"keyfile\" already",
        ),
        (
            &locked,
            "vault slot rotate other".to_owned(),
            "no single slot is called \"other\"",
        ),
        (
            &locked,
            "vault slot remove other".to_owned(),
            "no single slot is called \"other\"",
        ),
        (
            &locked,
            "vault slot remove passphrase".to_owned(),
            "is the vault's last slot",
        ),
        (
            &nobody,
            "vault slot remove x".to_owned(),
            "there is no vault at",
        ),
        (&nobody, "vault rekey".to_owned(), "there is no vault at"),
        (&nobody, "vault unlock".to_owned(), "there is no vault at"),
        (
            &nobody,
            format!("vault export {text}.new"),
            "there is no vault at",
        ),
        (&locked, format!("vault export {text}"), "is there already"),
        (
            &locked,
            format!("vault export {text}.d/new"),
            "there is no directory",
        ),
        (
            &nobody,
            "vault put x --vault none".to_owned(),
            "in memory only",
        ),
        (
            &nobody,
            format!("vault import {text} --vault none"),
            "in memory",
        ),
    ] {
        let (code, screen) = Typing::start(person, &line).exit();
        assert!(matches!(code, Some(1 | 2)), "{line}: {screen}");
        assert!(screen.starts_with("error: "), "{line}: {screen}");
        assert!(screen.contains(words), "{line}: {screen}");
        assert!(screen.contains("hint: "), "{line}: {screen}");
        assert!(!nobody.home.file().exists(), "{line}");
    }
}

#[test]
fn a_passphrase_may_be_mistyped_twice_and_one_that_is_forgotten_is_not_looked_for_in_the_environment()
 {
    let person = with_passphrase();
    for line in [
        "vault put example",
        "vault verify",
        "vault unlock",
        "vault rm x",
    ] {
        let mut typing = Typing::start(&person, line);
        typing.shows(1, "Passphrase for ");
        typing.types("a slip\n");
        typing.shows(1, "That does not open it. Once more: ");
        // Nothing is a slip too.
        typing.types("\n");
        typing.shows(2, "That does not open it. Once more: ");
        typing.types("another\n");
        let (code, screen) = typing.exit();
        assert_eq!(code, Some(1), "{line}: {screen}");
        let file = person.home.file();
        let wanted = format!(
            "Forgotten? It cannot be recovered: move {} away and sign in again",
            file.display()
        );
        assert!(screen.contains(&wanted), "{line}: {screen}");
        assert!(!screen.contains("MCPIPE_"), "{line}: {screen}");
        assert!(!screen.contains("Secret example"), "{line}: {screen}");
    }
    let mut typing = Typing::start(&person, "vault verify");
    typing.shows(1, "Passphrase for ");
    typing.types("a slip\n");
    typing.shows(1, "Once more: ");
    typing.types(&format!("{WORDS}\n"));
    assert_eq!(typing.exit().0, Some(0));

    let file = person.home.path().join("export").display().to_string();
    let words = person.home.path().join("words").display().to_string();
    person.succeeds(&format!(
        "vault export {file} --passphrase-file {words} --export-passphrase-file {words}"
    ));
    let there = Person::new();
    let mut typing = Typing::start(&there, &format!("vault import {file}"));
    typing.shows(1, "Passphrase of ");
    for slip in 1..=3 {
        typing.types("a slip\n");
        if slip < 3 {
            typing.shows(slip, "That does not open it. Once more: ");
        }
    }
    let (code, screen) = typing.exit();
    assert_eq!(code, Some(1), "{screen}");
    assert!(
        screen.contains("Forgotten? It cannot be recovered: export again"),
        "{screen}"
    );
    assert!(!there.home.file().exists());
    // What a file held is said to be the file's.
    std::fs::write(there.home.path().join("words"), "a slip").unwrap();
    let slip = there.home.path().join("words").display().to_string();
    let said = person.says(&format!("vault verify --passphrase-file {slip}"));
    assert_eq!(said.code, Some(1));
    assert!(
        said.err.contains("see that the passphrase file holds"),
        "{}",
        said.err
    );
    assert!(!said.err.contains("Forgotten"), "{}", said.err);
}

#[test]
fn a_new_passphrase_may_be_mistyped_twice() {
    let person = Person::new();
    let mut typing = Typing::start(&person, "vault init --kdf low");
    typing.shows(1, "a key file): ");
    typing.types(&format!("{WORDS}\n"));
    typing.shows(1, "The same again: ");
    typing.types("a slip\n");
    typing.shows(1, "The two passphrases are different. Once more: ");
    typing.types(&format!("{}\n", "long ".repeat(300)));
    typing.shows(1, "The passphrase is longer than 1024 bytes. Once more: ");
    for times in 2..=3 {
        typing.types(&format!("{WORDS}\n"));
        if times == 2 {
            typing.shows(2, "The same again: ");
        }
    }
    let (code, screen) = typing.exit();
    assert_eq!(code, Some(0), "{screen}");
    assert!(screen.contains("protection: passphrase"), "{screen}");
    // One that is too long is a slip where the vault exists, too.
    let mut typing = Typing::start(&person, "vault verify");
    typing.shows(1, "Passphrase for ");
    typing.types(&format!("{}\n", "long ".repeat(300)));
    typing.shows(1, "That does not open it. Once more: ");
    typing.types(&format!("{WORDS}\n"));
    assert_eq!(typing.exit().0, Some(0));
}

#[test]
fn who_types_ctrl_d_reads_so_on_a_line_of_its_own() {
    let locked = with_passphrase();
    let nobody = Person::new();
    for (person, line, question) in [
        (&locked, "vault unlock", "Passphrase for "),
        (&nobody, "vault init", "a key file): "),
    ] {
        let mut typing = Typing::start(person, line);
        typing.shows(1, question);
        typing.types("\u{4}");
        let (code, screen) = typing.exit();
        assert_eq!(code, Some(1), "{screen}");
        let last = screen.lines().skip_while(|it| !it.starts_with("error: "));
        let last: Vec<_> = last.map(str::trim).collect();
        assert_eq!(
            last,
            ["error: no passphrase was typed", "the input has ended"],
            "{screen}"
        );
    }
}

#[test]
fn what_helps_is_not_the_command_that_has_just_failed() {
    let locked = with_passphrase();
    let said = locked.says("vault unlock");
    assert_eq!(said.code, Some(1));
    assert!(said.err.contains("--passphrase-file"), "{}", said.err);
    assert!(!said.err.contains("vault unlock`"), "{}", said.err);
    // A key file that is missing is what is in the way, whatever is to be done.
    let plain = Person::new();
    plain.succeeds("vault init --key-file");
    std::fs::remove_file(plain.home.key()).unwrap();
    for line in ["vault unlock", "vault rekey", "vault list"] {
        let said = plain.says(line);
        assert_eq!(said.code, Some(1), "{line}: {}", said.err);
        assert!(said.err.contains("needs the key that was at"), "{line}");
        assert!(said.err.contains("put the key file back"), "{line}");
    }
}

#[test]
fn nothing_is_asked_twice() {
    let person = with_passphrase();
    for (line, stdin) in [
        ("vault rekey", Stdin::Terminal),
        ("vault verify", Stdin::Empty),
        ("vault rekey", Stdin::Empty),
        ("vault list", Stdin::Empty),
    ] {
        let mut typing = Typing::start_with(&person, line, stdin);
        typing.shows(1, "assphrase ");
        typing.types(&format!("{WORDS}\n"));
        let (code, screen) = typing.exit();
        assert_eq!(code, Some(0), "{line}: {screen}");
        assert_eq!(screen.matches("assphrase ").count(), 1, "{line}: {screen}");
    }
    // Where there is no terminal the user is not asked at all.
    let said = person.says("vault verify");
    assert_eq!(said.code, Some(1));
    assert!(!said.err.contains("Passphrase for"), "{}", said.err);
}

#[test]
fn a_question_that_is_broken_off_leaves_the_terminal_as_it_was() {
    let locked = with_passphrase();
    let (interrupt, terminate) = (Some(Signal::INT), Some(Signal::TERM));
    for (line, question, signal) in [
        ("vault unlock", "Passphrase for ", None),
        ("vault unlock", "Passphrase for ", interrupt),
        ("vault unlock", "Passphrase for ", terminate),
        ("vault init", "Passphrase for the new vault", None),
        ("vault put x", "Secret x (not shown): ", None),
        ("vault put x", "Secret x (not shown): ", interrupt),
        ("vault put x", "Secret x (not shown): ", terminate),
    ] {
        let nobody = Person::new();
        let person = if line.ends_with("unlock") {
            &locked
        } else {
            &nobody
        };
        let mut typing = Typing::start(person, line);
        assert!(typing.echoes());
        typing.shows(1, question);
        assert!(!typing.echoes(), "{line}");
        if let Some(signal) = signal {
            let id = i32::try_from(typing.child.id()).unwrap();
            let id = rustix::process::Pid::from_raw(id).unwrap();
            rustix::process::kill_process(id, signal).unwrap();
        } else {
            typing.types("half a pass\u{3}");
        }
        let terminal = typing.terminal.try_clone().unwrap();
        let (code, screen) = typing.exit();
        let wanted = if signal == terminate { 143 } else { 130 };
        assert_eq!(code, Some(wanted), "{line}: {screen}");
        let modes = tcgetattr(&terminal).unwrap().local_modes;
        let wanted = LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG;
        assert!(modes.contains(wanted), "{line}, {signal:?}");
        assert!(!screen.contains("half a pass"), "{screen}");
        assert!(!nobody.home.file().exists());
    }
}
