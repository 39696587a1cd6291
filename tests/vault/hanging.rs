//! Programs that are asked for the vault's key and hang: only requests that met a challenge wait for them.
#![cfg(unix)]

use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use tokio::time::Instant;

use super::WORDS;
use super::commands::{Person, works};
use crate::coordination::{Machine, session};
use crate::support::host::{INITIALIZED, Process, call};
use crate::support::remote::{Reply, Server, ordinary};

/// Less than the patience with a program, and enough for a busy machine.
const AT_ONCE: Duration = Duration::from_secs(10);

/// A person whose vault is opened by a program that does this, and counts its runs.
fn with_program(does: &str) -> Person {
    let person = Person::new();
    let file = |name: &str| person.home.path().join(name).display().to_string();
    let (key, runs, program) = (file("kept"), file("runs"), file("program"));
    let write = |does: &str| {
        std::fs::write(
            &program,
            format!("#!/bin/sh\necho run >> '{runs}'\n{does}\n"),
        )
        .unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o700)).unwrap();
    };
    let config = format!(
        "[vault]\nkey_command = ['{program}']\nkey_store_command = ['/usr/bin/tee', '{key}']\n"
    );
    std::fs::write(person.home.path().join("mcpipe.toml"), config).unwrap();
    write(&format!("exec /bin/cat '{key}'"));
    person.succeeds("vault init --key-file");
    person.types("vault put example --for https://a.example", "s3cret");
    person.succeeds("vault slot add command");
    person.succeeds("vault slot remove keyfile");
    std::fs::remove_file(&runs).unwrap();
    write(&does.replace("KEY", &key));
    person
}

fn runs(person: &Person) -> usize {
    let text = std::fs::read_to_string(person.home.path().join("runs"));
    text.unwrap_or_default().lines().count()
}

#[tokio::test]
async fn a_server_that_needs_no_sign_in_answers_at_once() {
    for hanging in ["key program", "passphrase command"] {
        let (person, arguments) = match hanging {
            "key program" => (with_program("exec /bin/sleep 600"), &[][..]),
            _ => {
                let person = Person::with_passphrase_file();
                person.succeeds("vault init --kdf low");
                let person = Person {
                    variables: Vec::new(),
                    ..person
                };
                (person, &["--passphrase-command", "/bin/sleep 600"][..])
            }
        };
        let server = Server::that(ordinary).await;
        let url = server.url();
        for _ in 0..2 {
            let arguments = [arguments, &[&url]].concat();
            let mut host = person.bridge(&arguments);
            let begun = Instant::now();
            works(&mut host).await;
            host.send(INITIALIZED).await;
            for id in 10..20 {
                host.send(call(id)).await;
                assert_eq!(host.next_json().await["id"], id);
            }
            assert!(
                begun.elapsed() < AT_ONCE,
                "{hanging}: {:?}",
                begun.elapsed()
            );
            let left = host.closed().await;
            assert!(left.took < AT_ONCE, "{hanging}: {:?}", left.took);
        }
        // Once per process.
        assert!(runs(&person) <= 2, "{hanging}");
    }
}

#[tokio::test]
async fn a_host_is_received_while_the_program_that_holds_the_key_asks_and_leaves_at_once() {
    let person = with_program("exec /bin/sleep 600");
    let server = Server::that(|_| Reply::status(401)).await;
    let url = server.url();
    for arguments in [vec![url.as_str()], vec!["--bearer", "example", &url]] {
        let mut host = person.bridge(&arguments);
        let begun = Instant::now();
        works(&mut host).await;
        host.send(INITIALIZED).await;
        host.send(call(1)).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        host.signal(rustix::process::Signal::TERM);
        let left = host.exit().await;
        assert!(left.took < Duration::from_secs(4), "{:?}", left.took);
        assert!(begun.elapsed() < AT_ONCE, "{:?}", begun.elapsed());
    }
}

#[tokio::test]
async fn a_request_that_met_a_challenge_waits_and_the_failure_is_remembered() {
    // It fails instead of hanging for half a minute; what it does not do is give a key.
    let person = with_program("/bin/sleep 3; exit 7");
    let server = Server::that(|ask| match ask.body.contains("tools/call") {
        true => Reply::status(401),
        false => ordinary(ask),
    })
    .await;
    let url = server.url();
    let mut host = person.bridge(&[&url]);
    works(&mut host).await;
    host.send(INITIALIZED).await;
    for id in 10..14 {
        host.send(call(id)).await;
        let refused = host.next_json().await;
        assert_eq!(refused["id"], id);
        let said = refused["error"]["message"].as_str().unwrap();
        assert!(said.contains("exit status: 7"), "{said}");
    }
    assert_eq!(runs(&person), 1);
}

/// The machine's vault, signed in to the server, is opened by a program that does this from now on.
fn opened_by_program(machine: &Machine, does: &str) {
    let home = machine.home.path();
    let file = |name: &str| home.join(name).display().to_string();
    let (key, program) = (file("kept"), file("program"));
    let write = |does: &str| {
        std::fs::write(&program, format!("#!/bin/sh\n{does}\n")).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o700)).unwrap();
    };
    let config = format!(
        "[vault]\nkey_command = ['{program}']\nkey_store_command = ['/usr/bin/tee', '{key}']\n"
    );
    std::fs::write(home.join("mcpipe.toml"), config).unwrap();
    write(&format!("exec /bin/cat '{key}'"));
    succeeds(machine, "vault slot add command");
    succeeds(machine, "vault slot remove keyfile");
    write(&format!("{does}\nexec /bin/cat '{key}'"));
}

fn succeeds(machine: &Machine, line: &str) {
    let output = mcpipe::process::command(env!("CARGO_BIN_EXE_mcpipe"))
        .args(line.split(' '))
        .env_clear()
        .env("MCPIPE_HOME", machine.home.path())
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{line}: {said}");
}

/// Opens a session from a new process. Whether its first request showed a token.
async fn first_request_shows_a_token(machine: &Machine, variables: &[(&str, &str)]) -> bool {
    let before = machine.remote.all().len();
    let url = machine.remote.url();
    let mut host = Process::start_in(machine.home.path(), &[&url], variables);
    let answered = session(&mut host).await;
    assert!(answered["result"].is_object(), "{answered}");
    let asks = machine.remote.all();
    asks[before].header("authorization").is_some()
}

#[tokio::test]
async fn a_stored_token_goes_with_the_first_request_where_nothing_hangs() {
    let words = [("MCPIPE_PASSPHRASE", WORDS)];
    for (way, variables) in [
        ("key file", &[][..]),
        ("passphrase", &words[..]),
        ("key program", &[]),
    ] {
        let machine = Machine::new().await;
        machine.signed_in().await;
        match way {
            "passphrase" => {
                let file = machine.home.path().join("words");
                std::fs::write(&file, WORDS).unwrap();
                let file = file.display();
                succeeds(
                    &machine,
                    &format!("vault protect --new-passphrase-file {file}"),
                );
            }
            "key program" => opened_by_program(&machine, ""),
            _ => {}
        }
        // Whether the server is known to want a token, or nothing is known of it.
        for _ in 0..2 {
            let shows = first_request_shows_a_token(&machine, variables).await;
            assert!(shows, "{way}");
            let _ = std::fs::remove_dir_all(machine.home.path().join("cache"));
        }
    }
}

#[tokio::test]
async fn a_program_that_takes_its_time_is_waited_for_once_the_server_wants_a_token() {
    let machine = Machine::new().await;
    machine.signed_in().await;
    opened_by_program(&machine, "/bin/sleep 3");
    assert!(!first_request_shows_a_token(&machine, &[]).await);
    assert_eq!(machine.shown().len(), 1, "nobody is asked to sign in again");
}
